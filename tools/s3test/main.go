// Command s3test serves a directory over the S3 protocol on one machine, for
// the tests of the checkpoints package. It is versitygw's S3 front end over its
// POSIX back end, without accounts other than one.
//
//	s3test -dir DIR -access KEY -secret SECRET [-addr 127.0.0.1:0] [-bucket NAME]
//
// It prints "http://HOST:PORT" and a line feed on standard output once it
// accepts connections, and ends when standard input is closed or a signal comes.
//
// It is a program and a module of its own because the back end changes the
// working directory of its process, and because nothing else of this project
// should depend on a server.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
)

type settings struct {
	addr, dir, access, secret, region, bucket string
}

func main() {
	var s settings
	flag.StringVar(&s.addr, "addr", "127.0.0.1:0", "address to listen on; port 0 picks a free one")
	flag.StringVar(&s.dir, "dir", "", "directory that holds the buckets")
	flag.StringVar(&s.access, "access", "test", "access key")
	flag.StringVar(&s.secret, "secret", "testsecret", "secret key")
	flag.StringVar(&s.region, "region", "us-east-1", "region that requests must be signed for")
	flag.StringVar(&s.bucket, "bucket", "", "bucket to create, if it is not there")
	flag.Parse()
	if err := serve(s); err != nil {
		fmt.Fprintln(os.Stderr, "s3test:", err)
		os.Exit(1)
	}
}

func serve(s settings) error {
	if s.dir == "" {
		return errors.New("-dir is missing")
	}
	addr, err := freeAddr(s.addr)
	if err != nil {
		return err
	}
	back, err := openBackend(s.dir)
	if err != nil {
		return err
	}
	defer back.Shutdown()
	if err := makeBucket(back, s.bucket, s.access); err != nil {
		return err
	}
	account := auth.Account{Access: s.access, Secret: s.secret, Role: auth.RoleAdmin}
	srv, err := s3api.New(back, middlewares.RootUserConfig{Access: s.access, Secret: s.secret}, s.region,
		auth.NewIAMServiceSingle(account), nil, nil, nil, nil,
		s3api.WithQuiet(), s3api.WithKeepAlive(), s3api.WithMpMaxParts(10000),
		s3api.WithConcurrencyLimiter(1024, 512),
		s3api.WithOnListen(func() { fmt.Println("http://" + addr) }))
	if err != nil {
		return fmt.Errorf("start the S3 front end: %w", err)
	}
	go untilTold(srv) // ends with the process
	return srv.ServeMultiPort([]string{addr})
}

// untilTold stops the server when its parent closes the pipe or a signal comes.
func untilTold(srv *s3api.S3ApiServer) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	<-ctx.Done()
	// Keep-alive connections of an idle client would hold a graceful end up for
	// seconds, and nothing is under way when a test closes its server.
	os.Exit(0)
}

// freeAddr replaces port 0 by a port that is free now: the front end takes its
// addresses as text and does not tell which port it got.
func freeAddr(addr string) (string, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// openBackend serves dir/data and keeps object attributes in extended file
// attributes or, where the file system has none, in dir/sidecar.
func openBackend(dir string) (*posix.Posix, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	data, side := filepath.Join(dir, "data"), filepath.Join(dir, "sidecar")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	opts := posix.PosixOpts{CopyObjectThreshold: 5 << 30, Concurrency: 256}
	var store meta.MetadataStorer = meta.XattrMeta{}
	if err := (meta.XattrMeta{}).Test(data); err != nil {
		fmt.Fprintln(os.Stderr, "s3test: no extended attributes here, using", side)
		if err := os.MkdirAll(side, 0o755); err != nil {
			return nil, err
		}
		sc, err := meta.NewSideCar(side)
		if err != nil {
			return nil, err
		}
		store, opts.SideCarDir = sc, side
	}
	return posix.New(data, store, opts)
}

func makeBucket(back *posix.Posix, bucket, owner string) error {
	if bucket == "" {
		return nil
	}
	if _, err := os.Stat(bucket); err == nil {
		return nil // the back end has made its data directory the working directory
	}
	acl, err := json.Marshal(auth.ACL{Owner: owner, Grantees: []auth.Grantee{
		{Permission: auth.PermissionFullControl, Access: owner, Type: types.TypeCanonicalUser},
	}})
	if err != nil {
		return err
	}
	in := &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{}}
	if err := back.CreateBucket(context.Background(), in, acl); err != nil {
		return fmt.Errorf("create bucket %q: %w", bucket, err)
	}
	return nil
}
