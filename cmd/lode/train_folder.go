package main

// This file holds what lode train remembers in its folder, beside what package solo
// keeps there.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lode/cmd/lode/internal/plan"
)

// Files of the folder.
const (
	planName     = "run.yaml"     // all rules
	trainingName = "train.json"   // a training
	curvesName   = "curves.jsonl" // of --compare: a curve a line
)

// remember writes the rules and the course of a training.
func remember(dir string, p plan.Plan, job training) error {
	b, err := json.MarshalIndent(job, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, planName), p.Text()); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, trainingName), append(b, '\n'))
}

// recall reads the course of the training in the folder, nil if there is none.
func recall(dir string) (*training, error) {
	path := filepath.Join(dir, trainingName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // as documented
	}
	var job training
	if err == nil {
		err = json.Unmarshal(b, &job)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(job.Ways) == 0 || min(job.Workers, job.Rounds, job.Measure, job.Keep, job.Sample) < 1 {
		return nil, fmt.Errorf("%s: it is damaged", path)
	}
	return &job, nil
}

// emptyFolder refuses a folder that holds something else.
func emptyFolder(dir, name string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != lockName {
			return fmt.Errorf("%s is not empty and holds no training: name another folder with -o", name)
		}
	}
	return nil
}
