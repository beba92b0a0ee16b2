package checkpoints

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func testKey(i byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{i}, ed25519.SeedSize))
}

func testManifest() Manifest {
	m := Manifest{
		Run: [32]byte{1}, Round: 7, StateRoot: [32]byte{2}, ModelRoot: [32]byte{3}, Parent: [32]byte{4},
		Files: []File{{"config.json", 10, [32]byte{5}}, {"model.safetensors", 1 << 40, [32]byte{6}}},
		Info:  map[string]string{"time": "2026-11-22T10:00:00Z", "loss": "3.25", "note": `<größer & "quoted" \ 世界>`},
	}
	m.Sign(testKey(2))
	m.Sign(testKey(1))
	return m
}

// The bytes of format 1; the digest was computed with Python's json and hashlib from
// the same values. A change of this test is a change of the format.
func TestManifestGolden(t *testing.T) {
	m := testManifest()
	zeros := strings.Repeat("0", 62)
	want := `{"manifest":{"format":1,"run":"01` + zeros + `","round":7,"state_root":"02` + zeros + `","model_root":"03` + zeros +
		`","parent":"04` + zeros + `","files":[{"name":"config.json","size":10,"sha256":"05` + zeros +
		`"},{"name":"model.safetensors","size":1099511627776,"sha256":"06` + zeros +
		`"}],"info":{"loss":"3.25","note":"<größer & \"quoted\" \\ 世界>","time":"2026-11-22T10:00:00Z"}},"signatures":[`
	got := string(m.Encode())
	if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\"}]}\n") {
		t.Errorf("got  %s\nwant %s…", got, want)
	}
	if d := fmt.Sprintf("%x", m.Digest()); d != "e7cc0b5310e774ed6ecf4f32a57984ec113329c83b5bfcfdac35a590486fb3a7" {
		t.Errorf("digest %s", d)
	}
}

func TestManifestRoundTrip(t *testing.T) {
	m := testManifest()
	got, err := ParseManifest(m.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Encode(), m.Encode()) || got.Digest() != m.Digest() {
		t.Error("the manifest comes back otherwise")
	}
	bare := m
	bare.Signatures, bare.Info = nil, nil
	if _, err := ParseManifest(bare.Encode()); err != nil {
		t.Errorf("without notes and signatures: %v", err)
	}
}

func TestManifestSignatures(t *testing.T) {
	m := testManifest()
	before := m.Digest()
	keys := func(ids ...byte) (list []ed25519.PublicKey) {
		for _, i := range ids {
			list = append(list, testKey(i).Public().(ed25519.PublicKey))
		}
		return list
	}
	for _, c := range []struct {
		keys []ed25519.PublicKey
		want int
	}{
		{nil, 0}, {keys(1), 1}, {keys(1, 2, 3), 2}, {keys(1, 1, 1), 1}, {keys(9), 0}, {[]ed25519.PublicKey{nil, {1}}, 0},
	} {
		if got := m.SignedBy(c.keys...); got != c.want {
			t.Errorf("%d keys: %d have signed, want %d", len(c.keys), got, c.want)
		}
	}
	m.Sign(testKey(1)) // again
	if len(m.Signatures) != 2 || m.Digest() != before || m.Check() != nil {
		t.Errorf("signing again: %d signatures, %v", len(m.Signatures), m.Check())
	}
	m.ModelRoot[0]++
	if m.SignedBy(keys(1, 2)...) != 0 || m.Check() == nil {
		t.Error("a changed manifest keeps its signatures")
	}
	// A signature of the same bytes for another purpose does not count.
	other := testManifest()
	other.Signatures = nil
	other.Add(Signature{Key: [32]byte(keys(1)[0]), Sig: [64]byte(ed25519.Sign(testKey(1), other.body()))})
	if other.SignedBy(keys(1)...) != 0 || other.Check() == nil {
		t.Error("a signature without the domain counts")
	}
}

// Every change of a single byte is refused.
func TestManifestEveryByteCounts(t *testing.T) {
	good := testManifest().Encode()
	for i := range good {
		for _, flip := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(good)
			bad[i] ^= flip
			if _, err := ParseManifest(bad); err == nil {
				t.Fatalf("byte %d changed from %q to %q is accepted", i, good[i], bad[i])
			}
		}
	}
	for i := range good {
		if _, err := ParseManifest(good[:i]); err == nil {
			t.Fatalf("cut after %d bytes is accepted", i)
		}
	}
}

func TestParseManifestRefuses(t *testing.T) {
	good := string(testManifest().Encode())
	bare := testManifest()
	bare.Signatures = nil
	unsigned := string(bare.Encode())
	swap := func(old, young string) string {
		if !strings.Contains(unsigned, old) {
			t.Fatalf("%q is not in the manifest", old)
		}
		return strings.Replace(unsigned, old, young, 1)
	}
	for name, text := range map[string]string{
		"empty":            "",
		"null":             "null\n",
		"no line feed":     strings.TrimSuffix(good, "\n"),
		"spaces":           strings.Replace(good, `{"manifest"`, `{ "manifest"`, 1),
		"second value":     good + good,
		"other format":     swap(`"format":1`, `"format":2`),
		"key twice":        swap(`"round":7`, `"round":7,"round":7`),
		"key case":         swap(`"round"`, `"Round"`),
		"unknown field":    swap(`"round":7`, `"round":7,"x":1`),
		"unknown field 2":  swap(`"signatures":[]`, `"signatures":[],"x":1`),
		"round negative":   swap(`"round":7`, `"round":-7`),
		"round float":      swap(`"round":7`, `"round":7.0`),
		"round large":      swap(`"round":7`, `"round":100000000`),
		"size negative":    swap(`"size":10`, `"size":-1`),
		"size large":       swap(`"size":10`, `"size":9007199254740993`),
		"sizes overflow":   swap(`"size":10`, `"size":9007199254740992`),
		"hex upper":        swap(`"run":"01`, `"run":"0A`),
		"hex short":        swap(`"run":"01`, `"run":"1`),
		"name up":          swap(`"config.json"`, `"../config.json"`),
		"name absolute":    swap(`"config.json"`, `"/config.json"`),
		"name dots":        swap(`"config.json"`, `".."`),
		"name hidden":      swap(`"config.json"`, `".config"`),
		"name back slash":  swap(`"config.json"`, `"a\\b"`),
		"name drive":       swap(`"config.json"`, `"C:x"`),
		"name folder":      swap(`"config.json"`, `"a/b"`),
		"name empty":       swap(`"config.json"`, `""`),
		"name zero byte":   swap(`"config.json"`, `"a\u0000b"`),
		"name manifest":    swap(`"config.json"`, `"manifest.json"`),
		"name part":        swap(`"config.json"`, `"model.safetensors.part"`),
		"name twice":       swap(`"config.json"`, `"model.safetensors"`),
		"names unsorted":   swap(`"config.json"`, `"z.json"`),
		"no files":         unsigned[:strings.Index(unsigned, `"files":[`)+9] + unsigned[strings.Index(unsigned, `],"info"`):],
		"info null":        swap(unsigned[strings.Index(unsigned, `"info":`):strings.Index(unsigned, `},"signatures"`)], `"info":null`),
		"info unsorted":    swap(`"loss":"3.25","note"`, `"zoss":"3.25","note"`),
		"info key":         swap(`"loss"`, `"lo ss"`),
		"info control":     swap(`3.25`, `3\n25`),
		"info separator":   swap(`3.25`, "3\\u202825"),
		"info escaped":     swap(`3.25`, `3\u002e25`),
		"info surrogate":   swap(`3.25`, `\ud800`),
		"info long":        swap(`3.25`, strings.Repeat("3", maxInfoValue+1)),
		"signatures null":  swap(`"signatures":[]`, `"signatures":null`),
		"signature short":  swap(`"signatures":[]`, `"signatures":[{"key":"00","sig":"00"}]`),
		"signature zero":   swap(`"signatures":[]`, `"signatures":[{"key":"`+strings.Repeat("0", 64)+`","sig":"`+strings.Repeat("0", 128)+`"}]`),
		"manifest missing": `{"signatures":[]}` + "\n",
		"large":            `{"manifest":` + strings.Repeat(" ", maxManifest) + `}`,
	} {
		if _, err := ParseManifest([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	swapped := testManifest()
	swapped.Signatures[0], swapped.Signatures[1] = swapped.Signatures[1], swapped.Signatures[0]
	if _, err := ParseManifest(swapped.Encode()); err == nil {
		t.Error("signatures out of order: accepted")
	}
	if !json.Valid([]byte(good)) {
		t.Error("the good manifest is not JSON")
	}
}

// What decodes encodes back to the same bytes.
func FuzzParseManifest(f *testing.F) {
	f.Add(testManifest().Encode())
	bare := testManifest()
	bare.Signatures, bare.Info = nil, nil
	f.Add(bare.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseManifest(b)
		if err != nil {
			return
		}
		if !bytes.Equal(m.Encode(), b) {
			t.Fatal("two encodings of one manifest")
		}
		for _, file := range m.Files {
			if strings.ContainsAny(file.Name, `/\:`) || file.Name[0] == '.' {
				t.Fatalf("file name %q", file.Name)
			}
		}
	})
}
