package examples

// This file reads IDX, the format of MNIST (LeCun, Cortes and Burges,
// "The MNIST database", section "file formats"): two zero bytes, the type of the
// values, the number of dimensions, each dimension in 4 bytes, then the values, all
// big-endian.

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// idxTypes are the types of values: their size in bytes and how one is read.
var idxTypes = map[byte]struct {
	size int
	of   func(b []byte) float64
}{
	0x08: {1, func(b []byte) float64 { return float64(b[0]) }},
	0x09: {1, func(b []byte) float64 { return float64(int8(b[0])) }},
	0x0B: {2, func(b []byte) float64 { return float64(int16(binary.BigEndian.Uint16(b))) }},
	0x0C: {4, func(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) }},
	0x0D: {4, func(b []byte) float64 { return float64(math.Float32frombits(binary.BigEndian.Uint32(b))) }},
	0x0E: {8, func(b []byte) float64 { return math.Float64frombits(binary.BigEndian.Uint64(b)) }},
}

const (
	idxBytes = 0x08
	maxDims  = 4
)

// idx is one IDX file, of which the first dimension counts examples.
type idx struct {
	name    string
	content content
	kind    byte
	num     int   // examples that are there, whatever the header says
	shape   []int // of one
	missing int   // examples that the header says and the file lacks
	start   int64 // of the first
}

// openIDX reads the header.
func openIDX(name string) (*idx, error) {
	c, size, err := openContent(name)
	if err != nil {
		return nil, err
	}
	x := &idx{name: name, content: c}
	if err := x.header(size); err != nil {
		c.Close()
		return nil, wholeFile(name, "%v", err)
	}
	return x, nil
}

// header reads the header of a file of that size.
func (x *idx) header(size int64) error {
	var head [4 + 4*maxDims]byte
	n, err := x.content.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return err
	}
	if n < 4 || head[0] != 0 || head[1] != 0 || idxTypes[head[2]].size == 0 {
		return fmt.Errorf("not an IDX file")
	}
	dims := int(head[3])
	if dims < 1 || dims > maxDims || n < 4+4*dims {
		return fmt.Errorf("IDX of %d dimensions in %d bytes, want 1 to %d", dims, size, maxDims)
	}
	x.kind, x.start = head[2], int64(4+4*dims)
	said := binary.BigEndian.Uint32(head[4:])
	if said > MaxExamples {
		return fmt.Errorf("%d examples, at most %d", said, MaxExamples)
	}
	for d := 1; d < dims; d++ {
		x.shape = append(x.shape, int(binary.BigEndian.Uint32(head[4+4*d:])))
	}
	if err := checkShape(x.shape); err != nil {
		return err
	}
	there := (size - x.start) / int64(x.size())
	x.num = int(min(int64(said), there))
	x.missing = int(said) - x.num
	if size > x.start+int64(said)*int64(x.size()) {
		return fmt.Errorf("%d bytes more than the header says", size-x.start-int64(said)*int64(x.size()))
	}
	return nil
}

// size returns the bytes of one example.
func (x *idx) size() int { return product(x.shape) * idxTypes[x.kind].size }

func (x *idx) Close() error { return x.content.Close() }

// read implements source.
func (x *idx) read(dst []float32, i int) error {
	b := make([]byte, x.size())
	if _, err := x.content.ReadAt(b, x.start+int64(i)*int64(len(b))); err != nil {
		return Fault{x.name, i, err.Error()}
	}
	if x.kind == idxBytes {
		for j, v := range b {
			dst[j] = float32(v) / 255
		}
		return nil
	}
	t := idxTypes[x.kind]
	for j := range dst {
		v := float32(t.of(b[j*t.size:]))
		if v-v != 0 {
			return Fault{x.name, i, fmt.Sprintf("value %d is %v", j, v)}
		}
		dst[j] = v
	}
	return nil
}

// labels yields the labels in a file of labels, as people write them, or an error.
func (x *idx) labels() iter.Seq2[string, error] {
	t := idxTypes[x.kind]
	return func(yield func(string, error) bool) {
		r := bufio.NewReader(io.NewSectionReader(x.content, x.start, int64(x.num*t.size)))
		b := make([]byte, t.size)
		for range x.num {
			_, err := io.ReadFull(r, b)
			if !yield(strconv.FormatFloat(t.of(b), 'f', -1, 64), err) || err != nil {
				return
			}
		}
	}
}

var idxNumber = regexp.MustCompile(`idx[0-9]`)

// labelsOf returns the name of the file with the labels of images: packed or not.
func labelsOf(images string) string {
	dir, base := filepath.Split(images)
	base = idxNumber.ReplaceAllString(strings.Replace(base, "images", "labels", 1), "idx1")
	name := filepath.Join(dir, base)
	other, packed := strings.CutSuffix(name, ".gz")
	if !packed {
		other = name + ".gz"
	}
	for _, n := range []string{name, other} {
		if _, err := os.Stat(n); err == nil {
			return n
		}
	}
	return name
}

// idx adds the images of a file and the labels beside it.
func (b *builder) idx(name string) error {
	images, err := openIDX(name)
	if err != nil {
		return err
	}
	labels, err := openIDX(labelsOf(name))
	if err != nil {
		images.Close()
		return err
	}
	defer labels.Close()
	b.begin(images)
	shape := images.shape
	if len(shape) == 2 { // a picture without channels has one
		shape = append([]int{1}, shape...)
	}
	if err := b.set.has(shape); err != nil {
		return wholeFile(name, "%v", err)
	}
	if len(labels.shape) > 0 {
		return wholeFile(labels.name, "labels of %d dimensions, want 1", 1+len(labels.shape))
	}
	num := min(images.num, labels.num)
	for _, x := range []*idx{images, labels} {
		if lost := x.num + x.missing - num; lost > 0 {
			if err := b.set.faults.add(wholeFile(x.name, "%d examples, %d of them with image and label", x.num+x.missing, num), b.Skip); err != nil {
				return err
			}
		}
	}
	return b.pairs(images, labels, num)
}

// pairs adds examples, leaving out those whose label is bad.
func (b *builder) pairs(images, labels *idx, num int) error {
	kept := &chosen{source: images}
	b.set.parts[len(b.set.parts)-1].source = kept
	i := -1
	for target, err := range labels.labels() {
		if i++; i == num {
			break
		}
		if err == nil {
			err = b.add(target)
		}
		if err == nil {
			kept.places = append(kept.places, int32(i))
		} else if err := b.set.faults.add(Fault{labels.name, i, err.Error()}, b.Skip); err != nil {
			return err
		}
	}
	return nil
}

// chosen is some examples of a source.
type chosen struct {
	source
	places []int32
}

func (c *chosen) read(dst []float32, i int) error { return c.source.read(dst, int(c.places[i])) }
