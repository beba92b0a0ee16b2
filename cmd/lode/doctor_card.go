package main

// This file holds what the doctor finds of NVIDIA's cards: versions, memory, and whether a
// card computes what the processor does.

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lode/engine/cuda"
	"lode/engine/cuda/driver"
)

// cardFindings looks at libraries and cards, and says which engine would be taken.
func cardFindings(ctx context.Context) []finding {
	libs := driver.Find(driver.Folders())
	// Then what is missing should be mended:
	wanted := driver.Present() || len(libs.Devices) > 0 || errors.Is(libs.Driver.Err, driver.ErrTooOld)
	all := []finding{
		libraryFinding("driver", libs.Driver, 1000, wanted),
		libraryFinding("cuBLASLt", libs.BLAS, 10000, wanted),
		libraryFinding("NVRTC", libs.NVRTC, 1000, false),
	}
	works := false
	for i, d := range libs.Devices {
		f := cardFinding(ctx, libs, i, d)
		works = works || f.State == isGood
		all = append(all, f)
	}
	if len(libs.Devices) > 1 {
		all = append(all, ncclFinding(libs.NCCL), peersFinding(libs), teamFinding(ctx, libs))
	}
	text := "--engine auto would take cpu"
	if works {
		text = "--engine auto would take cuda for models that have kernels (experimental, docs/gpu.md), else cpu; without it cpu is taken"
	}
	return append(all, finding{"engine", isGood, text})
}

func libraryFinding(what string, l driver.Library, unit int, wanted bool) finding {
	switch {
	case l.Err == nil:
		return finding{what, isGood, fmt.Sprintf("%s, %s", driver.Version(l.Version, unit), l.Path)}
	case wanted:
		return finding{what, isBad, l.Err.Error()}
	}
	return finding{what, isAbsent, l.Err.Error()}
}

// ncclFinding says whether several cards would add up by NCCL.
func ncclFinding(l driver.Library) finding {
	if l.Err != nil {
		return finding{"NCCL", isAbsent, l.Err.Error()}
	}
	return finding{"NCCL", isGood, fmt.Sprintf("%s, %s: cards of one worker (--device cuda:all) add up by it", driver.VersionNCCL(l.Version), l.Path)}
}

// peersFinding says which cards reach each other.
func peersFinding(libs *driver.Libraries) finding {
	var apart []string
	for a := range libs.Devices {
		for b := range libs.Devices {
			if a == b {
				continue
			}
			can, err := libs.Reaches(a, b)
			if err != nil {
				return finding{"between cards", isBad, err.Error()}
			}
			if !can {
				apart = append(apart, fmt.Sprintf("%d from %d", a, b))
			}
		}
	}
	if len(apart) == 0 {
		return finding{"between cards", isGood, "each reads the memory of each"}
	}
	return finding{"between cards", isAbsent, fmt.Sprintf("copies go through the memory of the host, which is slower: card %s", strings.Join(apart, ", "))}
}

// teamFinding tries all cards together.
func teamFinding(ctx context.Context, libs *driver.Libraries) finding {
	const what = "all cards"
	var cards []int
	for i, d := range libs.Devices {
		if libs.Usable(i) != nil || !d.Alike(libs.Devices[0]) {
			return finding{what, isAbsent, "not all are of one kind: each is for a worker of its own"}
		}
		cards = append(cards, i)
	}
	e, err := tryCards(ctx, libs, cards...)
	if err != nil {
		return finding{what, isBad, "together: " + err.Error()}
	}
	return finding{what, isGood, "together they compute what the processor does, by " + e.(*cuda.Team).Means()}
}

// cardFinding tries a card.
func cardFinding(ctx context.Context, libs *driver.Libraries, i int, d driver.Info) finding {
	f := finding{What: fmt.Sprintf("card %d", i), State: isBad}
	f.Text = fmt.Sprintf("%s, %s, compute capability %d.%d, %s", d.Name, bytesText(uint64(d.Memory)), d.Capability/10, d.Capability%10, plural(d.Processors, "multiprocessor"))
	if err := libs.Usable(i); err != nil {
		f.Text += ": " + err.Error()
		return f
	}
	free, err := freeOf(libs, i)
	if err == nil {
		_, err = tryCards(ctx, libs, i)
	}
	speed := ""
	if err == nil {
		speed, err = rateCard(ctx, libs, i)
	}
	if err != nil {
		f.Text += ": " + err.Error()
		return f
	}
	f.State = isGood
	f.Text += fmt.Sprintf(", %s free: it computes what the processor does, in float32 and bf16; %s", bytesText(uint64(free)), speed)
	return f
}
