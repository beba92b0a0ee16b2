package journaltest_test

import (
	"path/filepath"
	"testing"

	"lode/coordinator/journal"
	"lode/coordinator/journal/journaltest"
	"lode/protocol"
)

// folder is a place for a file of records.
type folder struct {
	path string
	file *journal.File
}

func (f *folder) Open(t *testing.T) journaltest.Journal {
	if f.file != nil {
		_ = f.file.Close()
	}
	var err error
	if f.file, err = journal.Open(f.path); err != nil {
		t.Fatal(err)
	}
	j, err := f.file.Record(protocol.RunID{1})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// An implementation calls Run from a test of its own.
func Example() {
	_ = func(t *testing.T) {
		journaltest.Run(t, func(t *testing.T) journaltest.Place {
			return &folder{path: filepath.Join(t.TempDir(), "record.db")}
		})
	}
}
