package checkpoints

// This file names a checkpoint's objects for who serves them by digest.

import "path"

// ManifestFile is the name of the manifest beside the files it describes.
const ManifestFile = manifestName

// Path returns the name of a file of the checkpoint in its store.
func (m Manifest) Path(file string) string { return path.Join(folder(m.Run, m.Round), file) }
