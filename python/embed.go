package python

// This file holds the files.

import "embed"

// Engine is a folder to start with python3: the engine's modules and what begins with
// them.
//
//go:embed __main__.py lode/__init__.py lode/engine/*.py
var Engine embed.FS
