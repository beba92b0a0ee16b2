package checkpoints

// This file holds the store in an S3 bucket: opening, reading, listing. Any
// server that speaks the S3 protocol does; only If-None-Match on PUT is asked
// beyond the basic calls.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const awsEndpoint = "https://s3.amazonaws.com"

// S3 is a [Store] in a bucket, below a prefix.
type S3 struct {
	core     *minio.Core
	endpoint string
	bucket   string
	prefix   string // without slashes at its ends; may be empty
	opt      Options
}

// OpenS3 returns the store below a prefix of a bucket. It sends nothing yet: a
// wrong key or a missing bucket shows on first use.
func OpenS3(_ context.Context, bucket, prefix string, opt Options) (*S3, error) {
	if bucket == "" {
		return nil, errors.New("s3 store: the bucket is missing; want s3://bucket/prefix")
	}
	if prefix != "" {
		if err := checkName(prefix); err != nil {
			return nil, fmt.Errorf("s3 store: prefix: %w", err)
		}
	}
	endpoint := cmp.Or(opt.Endpoint, os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), awsEndpoint)
	u, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	creds, err := opt.credentials(endpoint)
	if err != nil {
		return nil, err
	}
	core, err := minio.NewCore(u.Host, &minio.Options{
		Creds: creds, Secure: u.Scheme == "https", Region: opt.region(endpoint),
		MaxRetries: 1, // this package tries again itself, and says why it stopped
	})
	if err != nil {
		return nil, fmt.Errorf("s3 store at %s: %w", endpoint, err)
	}
	return &S3{core: core, endpoint: endpoint, bucket: bucket, prefix: prefix, opt: opt}, nil
}

func parseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, fmt.Errorf("s3 endpoint %q: want https://host or http://host:port, without a path", endpoint)
	}
	return u, nil
}

func (o Options) region(endpoint string) string {
	region := cmp.Or(o.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
	if region == "" && endpoint != awsEndpoint {
		return "us-east-1" // what servers other than AWS expect unless told otherwise
	}
	return region // empty: the client asks AWS where the bucket lies
}

func (o Options) credentials(endpoint string) (*credentials.Credentials, error) {
	if o.AccessKey != "" || o.SecretKey != "" {
		if o.AccessKey == "" || o.SecretKey == "" {
			return nil, errors.New("s3 store: access key and secret key must be given together")
		}
		return credentials.NewStaticV4(o.AccessKey, string(o.SecretKey), ""), nil
	}
	// The chain ends in anonymous requests, which is right for public buckets.
	chain := []credentials.Provider{
		&credentials.EnvAWS{}, &credentials.EnvMinio{}, &credentials.FileAWSCredentials{},
	}
	if endpoint == awsEndpoint {
		chain = append(chain, &credentials.IAM{}) // asks a link-local address that exists on AWS only
	}
	return credentials.NewChainCredentials(chain), nil
}

func (s *S3) key(name string) string { return path.Join(s.prefix, name) }

// do runs one request, again while it fails for a while, and explains failure.
func (s *S3) do(ctx context.Context, what, name string, op func() error) error {
	if err := s.opt.retry(ctx, transientS3, op); err != nil {
		return s.explain(what, name, err)
	}
	return nil
}

// Get implements [Store].
func (s *S3) Get(ctx context.Context, name string, offset int64) (body io.ReadCloser, size int64, err error) {
	if err := checkName(name); err != nil {
		return nil, 0, err
	}
	err = s.do(ctx, "get", name, func() (err error) {
		body, size, err = s.get(ctx, name, offset)
		return err
	})
	return body, size, err
}

func (s *S3) get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	var opt minio.GetObjectOptions
	if offset != 0 {
		if err := opt.SetRange(offset, 0); err != nil {
			return nil, 0, errOffset(offset, 0)
		}
	}
	body, info, header, err := s.core.GetObject(ctx, s.bucket, s.key(name), opt)
	if minio.ToErrorResponse(err).Code == "InvalidRange" {
		return s.getNothing(ctx, name, offset)
	}
	if err != nil {
		return nil, 0, err
	}
	if offset == 0 {
		return body, info.Size, nil
	}
	size, err := parseContentRange(header.Get("Content-Range"), offset)
	if err != nil {
		return nil, 0, errors.Join(err, body.Close())
	}
	return body, size, nil
}

// getNothing answers a range that the server refused: fine exactly at the end.
func (s *S3) getNothing(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	info, err := s.core.StatObject(ctx, s.bucket, s.key(name), minio.StatObjectOptions{})
	if err != nil {
		return nil, 0, err
	}
	if info.Size != offset {
		return nil, 0, errOffset(offset, info.Size)
	}
	return io.NopCloser(strings.NewReader("")), info.Size, nil
}

// maxListed bounds how many names List returns.
const maxListed = 1 << 20

// List implements [Store].
func (s *S3) List(ctx context.Context, prefix string) ([]string, error) {
	full := prefix
	if s.prefix != "" {
		full = s.prefix + "/" + prefix
	}
	var names []string
	err := s.do(ctx, "list", prefix, func() error {
		names = names[:0]
		// The listing goroutine inside the client ends with this context.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for obj := range s.core.Client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: full, Recursive: true}) {
			if obj.Err != nil {
				return obj.Err
			}
			name := strings.TrimPrefix(strings.TrimPrefix(obj.Key, s.prefix), "/")
			if checkName(name) != nil {
				continue // not written by this package
			}
			if names = append(names, name); len(names) > maxListed {
				return fmt.Errorf("more than %d objects below %q", maxListed, prefix)
			}
		}
		return ctx.Err()
	})
	slices.Sort(names)
	return names, err
}

// Delete implements [Store].
func (s *S3) Delete(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return s.do(ctx, "delete", name, func() error {
		err := s.core.RemoveObject(ctx, s.bucket, s.key(name), minio.RemoveObjectOptions{})
		if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
			return nil
		}
		return err
	})
}
