// Package process runs part of an engine in another process: it starts a command,
// calls it in frames over its standard input and output, and shares memory with it.
// What is called, and what the memory means, is for others to say; lode/engine/torch
// does.
//
// [Start] a [Command], then [Process.Call] it. [Memory] is handed to it as descriptor
// 3. A frame is a length (uint32, little-endian) and so many bytes of CBOR: a call is
// {"id", "call", "args"}, answered by any number of {"id", "progress"} and then by
// {"id", "result"} or {"id", "error"}. The first frame of the process is {"hello":
// version, "python": version}. Where a process is several, Command.Folder is where they
// may meet.
//
// Nothing the process says is believed: frames are bounded before they are read,
// answers must be those to the call, and their values are decoded strictly. A process
// that ends, breaks these rules, or neither answers nor reports progress for as long as
// Command.Patience is killed, with whatever it started, and every call from then on
// fails with engine.ErrLost and the last lines of its standard error. An error that it
// answers with is a [Refusal]: it goes on.
//
// Lines on its standard error are logged. It gets no signal from the terminal: it ends
// when its standard input does, that is also when this program is killed.
//
// A Process belongs to one goroutine at a time. Unix only.
package process
