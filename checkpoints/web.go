package checkpoints

// This file holds the read-only store behind a web address.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// web reads objects below a base address with plain and ranged GET.
type web struct {
	base   string // ends in a slash
	client *http.Client
	opt    Options
}

func openWeb(address string, opt Options) (*web, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("store address %q: want https://host/path", address)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("store address %q: a query or fragment cannot be part of it", address)
	}
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.ResponseHeaderTimeout = time.Minute
	tr.DisableCompression = true // offsets count the object's own bytes
	return &web{
		base: strings.TrimRight(u.String(), "/") + "/", client: &http.Client{Transport: tr}, opt: opt,
	}, nil
}

// statusError is an answer that is neither success nor absence.
type statusError int

func (e statusError) Error() string {
	return fmt.Sprintf("server answers %d %s", int(e), http.StatusText(int(e)))
}

func transientWeb(err error) bool {
	if status, ok := errors.AsType[statusError](err); ok {
		return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
	}
	return transientNet(err)
}

// Get implements [Store].
func (w *web) Get(ctx context.Context, name string, offset int64) (body io.ReadCloser, size int64, err error) {
	if err := checkName(name); err != nil {
		return nil, 0, err
	}
	err = w.opt.retry(ctx, transientWeb, func() (err error) {
		body, size, err = w.get(ctx, name, offset)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("get %s%s: %w", w.base, name, err)
	}
	return body, size, nil
}

func (w *web) get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+name, nil)
	if err != nil {
		return nil, 0, err
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	body, size, err := answer(resp, offset)
	if err != nil {
		return nil, 0, errors.Join(err, resp.Body.Close())
	}
	return body, size, nil
}

// answer returns the body from offset on and the object's whole size.
func answer(resp *http.Response, offset int64) (io.ReadCloser, int64, error) {
	switch resp.StatusCode {
	case http.StatusOK:
		if resp.ContentLength < 0 {
			return nil, 0, errors.New("server does not tell the size; use one that sends Content-Length")
		}
		if offset > resp.ContentLength {
			return nil, 0, errOffset(offset, resp.ContentLength)
		}
		// A server without ranges sends everything: pass over the first part.
		_, err := io.CopyN(io.Discard, resp.Body, offset)
		return resp.Body, resp.ContentLength, err
	case http.StatusPartialContent:
		size, err := parseContentRange(resp.Header.Get("Content-Range"), offset)
		return resp.Body, size, err
	case http.StatusRequestedRangeNotSatisfiable:
		size, err := strconv.ParseInt(strings.TrimPrefix(resp.Header.Get("Content-Range"), "bytes */"), 10, 64)
		if err == nil && offset == size {
			return http.NoBody, size, resp.Body.Close()
		}
		return nil, 0, errOffset(offset, size)
	case http.StatusNotFound, http.StatusGone:
		return nil, 0, fs.ErrNotExist
	}
	return nil, 0, statusError(resp.StatusCode)
}

// parseContentRange reads "bytes OFFSET-LAST/SIZE", which must run to the end.
func parseContentRange(text string, offset int64) (int64, error) {
	rest, ok := strings.CutPrefix(text, fmt.Sprintf("bytes %d-", offset))
	last, total, slash := strings.Cut(rest, "/")
	end, err1 := strconv.ParseInt(last, 10, 64)
	size, err2 := strconv.ParseInt(total, 10, 64)
	if !ok || !slash || err1 != nil || err2 != nil || end < offset || end != size-1 {
		return 0, fmt.Errorf("server answers range %.60q to a request from byte %d", text, offset)
	}
	return size, nil
}

func errReadOnly(address string) error {
	return fmt.Errorf("%s can only be read; to write, use a directory or s3://bucket/prefix: %w", address, errors.ErrUnsupported)
}

// Put implements [Store] by refusing.
func (w *web) Put(context.Context, string, io.Reader, int64) error { return errReadOnly(w.base) }

// PutIfAbsent implements [Store] by refusing.
func (w *web) PutIfAbsent(context.Context, string, io.Reader, int64) error {
	return errReadOnly(w.base)
}

// List implements [Store] by refusing: the web has no common way to list.
func (w *web) List(context.Context, string) ([]string, error) { return nil, errReadOnly(w.base) }

// Delete implements [Store] by refusing.
func (w *web) Delete(context.Context, string) error { return errReadOnly(w.base) }
