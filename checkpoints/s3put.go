package checkpoints

// This file holds writing to S3. Every request's body is in memory, so that it
// can be sent again; at most numUploads parts are, so memory is bounded.

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"
)

const (
	partSize   = 16 << 20 // bytes of one part; an object up to this size is one request
	numUploads = 3        // parts under way at once
	maxParts   = 10000    // a rule of the S3 protocol
	maxObject  = partSize * maxParts
)

// Put implements [Store]. An object may have up to 10,000 parts of 16 MiB.
func (s *S3) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := checkName(name); err != nil {
		return err
	}
	switch {
	case size < 0 || size > maxObject:
		return fmt.Errorf("put %s: size of %d bytes is not within 0 to %d", name, size, int64(maxObject))
	case size > partSize:
		return s.putParts(ctx, name, r, size)
	}
	body, err := readBody(r, size)
	if err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	return s.do(ctx, "put", name, func() error { return s.putOnce(ctx, name, body, minio.PutObjectOptions{}) })
}

// PutIfAbsent implements [Store] for objects of up to 16 MiB.
func (s *S3) PutIfAbsent(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := checkName(name); err != nil {
		return err
	}
	if size < 0 || size > partSize {
		return fmt.Errorf("put %s if absent: size of %d bytes is not within 0 to %d", name, size, partSize)
	}
	body, err := readBody(r, size)
	if err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	var opt minio.PutObjectOptions
	opt.SetMatchETagExcept("*")
	tries := 0
	err = s.do(ctx, "put", name, func() error {
		tries++
		return s.putOnce(ctx, name, body, opt)
	})
	if errors.Is(err, fs.ErrExist) && tries > 1 {
		// An earlier try may have arrived although its answer did not.
		if got, getErr := readAll(ctx, s, name, size); getErr == nil && bytes.Equal(got, body) {
			return nil
		}
	}
	return err
}

func readBody(r io.Reader, size int64) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(int(size))
	err := copyExactly(&buf, r, size)
	return buf.Bytes(), err
}

func (s *S3) putOnce(ctx context.Context, name string, body []byte, opt minio.PutObjectOptions) error {
	opt.DisableContentSha256 = true // of chunks; the digest of the whole body is signed instead
	_, err := s.core.PutObject(ctx, s.bucket, s.key(name), bytes.NewReader(body), int64(len(body)), "", sha256Hex(body), opt)
	return err
}

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// putParts sends a large object as a multipart upload. Others see nothing of it
// before the last request.
func (s *S3) putParts(ctx context.Context, name string, r io.Reader, size int64) error {
	var id string
	err := s.do(ctx, "put", name, func() (err error) {
		id, err = s.core.NewMultipartUpload(ctx, s.bucket, s.key(name), minio.PutObjectOptions{})
		return err
	})
	if err != nil {
		return err
	}
	parts, err := s.sendParts(ctx, name, id, r, size)
	if err == nil {
		err = s.complete(ctx, name, id, parts, size)
	}
	if err != nil {
		s.abort(ctx, name, id)
	}
	return err
}

func (s *S3) complete(ctx context.Context, name, id string, parts []minio.CompletePart, size int64) error {
	tries := 0
	return s.do(ctx, "put", name, func() error {
		tries++
		_, err := s.core.CompleteMultipartUpload(ctx, s.bucket, s.key(name), id, parts, minio.PutObjectOptions{})
		if tries > 1 && minio.ToErrorResponse(err).Code == "NoSuchUpload" {
			// An earlier try may have arrived although its answer did not.
			info, statErr := s.core.StatObject(ctx, s.bucket, s.key(name), minio.StatObjectOptions{})
			if statErr == nil && info.Size == size {
				return nil
			}
		}
		return err
	})
}

// sendParts reads r in order and sends its parts side by side.
func (s *S3) sendParts(ctx context.Context, name, id string, r io.Reader, size int64) ([]minio.CompletePart, error) {
	parts := make([]minio.CompletePart, (size+partSize-1)/partSize)
	buffers := sync.Pool{New: func() any { return new([partSize]byte) }}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(numUploads)
	var readErr error
	for i := range parts {
		if groupCtx.Err() != nil {
			break
		}
		buf := buffers.Get().(*[partSize]byte)
		part := buf[:min(partSize, size-int64(i)*partSize)]
		if _, readErr = io.ReadFull(r, part); readErr != nil {
			readErr = fmt.Errorf("put %s: content breaks off in part %d of %d: %w", name, i+1, len(parts), readErr)
			break
		}
		group.Go(func() error {
			defer buffers.Put(buf)
			return s.sendPart(groupCtx, name, id, i, part, parts)
		})
	}
	if readErr == nil && groupCtx.Err() == nil {
		readErr = copyExactly(io.Discard, r, 0) // refuses content longer than announced
	}
	return parts, errors.Join(readErr, group.Wait(), ctx.Err())
}

func (s *S3) sendPart(ctx context.Context, name, id string, i int, part []byte, parts []minio.CompletePart) error {
	sum := sha256Hex(part)
	return s.do(ctx, "put", name, func() error {
		got, err := s.core.PutObjectPart(ctx, s.bucket, s.key(name), id, i+1, bytes.NewReader(part), int64(len(part)),
			minio.PutObjectPartOptions{Sha256Hex: sum, DisableContentSha256: true})
		parts[i] = minio.CompletePart{PartNumber: i + 1, ETag: got.ETag}
		return err
	})
}

// abort frees the parts of an upload that will not be finished; a failure leaves
// them to the bucket's own rule for old uploads.
func (s *S3) abort(ctx context.Context, name, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_ = s.core.AbortMultipartUpload(ctx, s.bucket, s.key(name), id)
}
