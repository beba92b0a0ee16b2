package driver

// This file holds streams, events and graphs: when things happen.

// Flags of cuda.h.
const (
	streamNonBlocking = 1
	eventNoTiming     = 2
	captureHere       = 1 // CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
)

// Stream is work that the device does in order.
type Stream struct {
	d      *Device
	handle uintptr
}

// NewStream returns an empty stream. Destroy it.
func (d *Device) NewStream() (*Stream, error) {
	var h uintptr
	if err := d.check("cuStreamCreate", call(d.libs.cuda.streamCreate, uintptr(ptr(&h)), streamNonBlocking)); err != nil {
		return nil, err
	}
	d.held++
	return &Stream{d, h}, nil
}

// Wait returns when all work of the stream is done. An error may be that of any of it.
func (s *Stream) Wait() error {
	return s.d.check("cuStreamSynchronize", call(s.d.libs.cuda.streamSynchronize, s.handle))
}

// After has the stream wait for an event before what is put into it from now on.
func (s *Stream) After(e *Event) error {
	return s.d.check("cuStreamWaitEvent", call(s.d.libs.cuda.streamWaitEvent, s.handle, e.handle, 0))
}

// Destroy gives back the stream, whose work must be done.
func (s *Stream) Destroy() error {
	if err := s.d.check("cuStreamDestroy", call(s.d.libs.cuda.streamDestroy, s.handle)); err != nil {
		return err
	}
	s.d.held--
	return nil
}

// Event is a moment in a stream.
type Event struct {
	d      *Device
	handle uintptr
}

// NewEvent returns an event that has not been recorded. One that is timed costs a
// little more. Destroy it.
func (d *Device) NewEvent(timed bool) (*Event, error) {
	flags := uintptr(eventNoTiming)
	if timed {
		flags = 0
	}
	var h uintptr
	if err := d.check("cuEventCreate", call(d.libs.cuda.eventCreate, uintptr(ptr(&h)), flags)); err != nil {
		return nil, err
	}
	d.held++
	return &Event{d, h}, nil
}

// Record makes the event happen once the work that is in s now is done.
func (e *Event) Record(s *Stream) error {
	return e.d.check("cuEventRecord", call(e.d.libs.cuda.eventRecord, e.handle, s.handle))
}

// Wait returns when the event has happened, or at once if it was never recorded.
func (e *Event) Wait() error {
	return e.d.check("cuEventSynchronize", call(e.d.libs.cuda.eventSynchronize, e.handle))
}

// Since returns the milliseconds between two timed events that have happened.
func (e *Event) Since(begin *Event) (float32, error) {
	var ms float32
	err := e.d.check("cuEventElapsedTime", call(e.d.libs.cuda.eventElapsedTime, uintptr(ptr(&ms)), begin.handle, e.handle))
	return ms, err
}

// Destroy gives back the event.
func (e *Event) Destroy() error {
	if err := e.d.check("cuEventDestroy", call(e.d.libs.cuda.eventDestroy, e.handle)); err != nil {
		return err
	}
	e.d.held--
	return nil
}

// Graph is recorded work, which is put into a stream by one call.
type Graph struct {
	d    *Device
	exec uintptr
}

// Capture records what f puts into s, which does not run. Within f nothing may be waited
// for or allocated. What the work reads of the host must stay as long as the graph.
func (s *Stream) Capture(f func() error) (*Graph, error) {
	d := s.d
	if err := d.check("cuStreamBeginCapture", call(d.libs.cuda.beginCapture, s.handle, captureHere)); err != nil {
		return nil, err
	}
	ferr := f()
	var graph uintptr
	err := d.check("cuStreamEndCapture", call(d.libs.cuda.endCapture, s.handle, uintptr(ptr(&graph))))
	if ferr == nil {
		ferr = err
	}
	if err != nil || graph == 0 {
		return nil, ferr
	}
	var exec uintptr
	if ferr == nil {
		ferr = d.check("cuGraphInstantiate", call(d.libs.cuda.graphInstantiate, uintptr(ptr(&exec)), graph, 0))
	}
	if err := d.check("cuGraphDestroy", call(d.libs.cuda.graphDestroy, graph)); ferr == nil {
		ferr = err
	}
	if ferr != nil {
		return nil, ferr
	}
	d.held++
	return &Graph{d, exec}, nil
}

// Launch puts the graph's work into s.
func (g *Graph) Launch(s *Stream) error {
	return g.d.check("cuGraphLaunch", call(g.d.libs.cuda.graphLaunch, g.exec, s.handle))
}

// Destroy gives back the graph.
func (g *Graph) Destroy() error {
	if err := g.d.check("cuGraphExecDestroy", call(g.d.libs.cuda.graphExecDestroy, g.exec)); err != nil {
		return err
	}
	g.d.held--
	return nil
}
