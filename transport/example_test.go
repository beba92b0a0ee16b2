package transport_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"

	"lode/protocol"
	"lode/transport"
)

// counter is a handler that welcomes everybody to one run and counts messages.
type counter struct {
	manifest protocol.Manifest
	num      int
}

func (c *counter) Hello(_ context.Context, _ protocol.NodeID, h transport.Hello) (transport.Welcome, error) {
	if h.Run != c.manifest.ID() {
		return transport.Welcome{}, protocol.Refuse(protocol.WrongRun, "this is %s", c.manifest.Name)
	}
	return transport.Welcome{
		Version: protocol.Version, Run: h.Run, Manifest: protocol.Encode(c.manifest), Next: 1,
	}, nil
}

func (c *counter) Gone(protocol.NodeID) {}

func (*counter) Member(context.Context, protocol.NodeID) bool { return true }

func (c *counter) Submit(_ context.Context, _ protocol.NodeID, message []byte) error {
	if len(message) == 0 {
		return protocol.Refuse(protocol.Malformed, "empty")
	}
	c.num++
	return nil
}

func (c *counter) Follow(_ context.Context, _ protocol.NodeID, from uint64, send func([]byte) error) error {
	return send(fmt.Appendf(nil, "entry %d", from))
}

func (c *counter) PutOffset(context.Context, protocol.NodeID, protocol.Digest, int64) (int64, error) {
	return 0, protocol.Refuse(protocol.NotExpected, "no payloads here")
}

func (c *counter) Put(context.Context, protocol.NodeID, protocol.Digest, int64, int64, io.Reader) (int64, error) {
	return 0, protocol.Refuse(protocol.NotExpected, "no payloads here")
}

func (c *counter) Open(context.Context, protocol.NodeID, protocol.Digest) (io.ReadSeekCloser, int64, error) {
	return nil, 0, protocol.Refuse(protocol.NotFound, "no payloads here")
}

func (c *counter) Status(context.Context, protocol.NodeID) ([]byte, error) {
	return fmt.Appendf(nil, `{"messages":%d}`, c.num), nil
}

func Example() {
	coordinator := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	worker := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32))
	manifest := protocol.Manifest{Version: protocol.Version, Name: "example"}

	server, err := transport.Listen("127.0.0.1:0", coordinator, transport.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	served := make(chan error)
	go func() { served <- server.Serve(ctx, &counter{manifest: manifest}) }()

	client, welcome, err := transport.Dial(ctx, server.Addr().String(),
		protocol.NodeID(coordinator.Public().(ed25519.PublicKey)), worker,
		transport.Hello{Version: protocol.Version, Run: manifest.ID(), Role: protocol.Worker},
		transport.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("next entry:", welcome.Next)
	fmt.Println(client.Submit(ctx, []byte("hello")))
	fmt.Println(client.Submit(ctx, nil))
	status, err := client.Status(ctx)
	fmt.Println(string(status), err)
	_ = client.Follow(ctx, 1, func(entry []byte) error {
		fmt.Println(string(entry))
		return nil
	})

	client.Close()
	stop()
	fmt.Println(errors.Is(<-served, context.Canceled))
	// Output:
	// next entry: 1
	// <nil>
	// refused (1): malformed message: empty
	// {"messages":1} <nil>
	// entry 1
	// true
}
