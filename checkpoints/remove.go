package checkpoints

// This file holds giving up old checkpoints to save room.

import (
	"context"
	"fmt"
	"path"
)

// Remove deletes the checkpoint of a round, which must not be the latest of its
// run. The manifest goes first: a crash leaves files that no manifest names,
// which Remove of the same round deletes.
func Remove(ctx context.Context, s Store, run [32]byte, round uint64) error {
	latest, err := Latest(ctx, s, run)
	if err != nil {
		return fmt.Errorf("remove checkpoint of round %d: %w", round, err)
	}
	if latest.Round == round {
		return fmt.Errorf("remove checkpoint of round %d: it is the latest of its run", round)
	}
	dir := folder(run, round)
	names, err := s.List(ctx, dir+"/")
	if err != nil {
		return fmt.Errorf("remove checkpoint of round %d: %w", round, err)
	}
	for _, name := range append([]string{path.Join(dir, manifestName)}, names...) {
		if err := s.Delete(ctx, name); err != nil {
			return fmt.Errorf("remove checkpoint of round %d: %w", round, err)
		}
	}
	return nil
}
