// Package python holds the Python that ships with the program: the engine in
// lode/engine, which lode/engine/torch writes to a folder and starts. The rest of this
// folder is a package for Python alone.
package python
