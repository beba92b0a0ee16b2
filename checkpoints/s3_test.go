package checkpoints_test

// This file holds the tests against a real S3 server: tools/s3test as a child
// process. LODE_S3TEST may name its binary; otherwise it is built, which takes
// minutes the first time.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lode/checkpoints"
	"lode/checkpoints/storetest"
)

const (
	accessKey = "testkey"
	secretKey = "testsecret"
)

// startS3 starts a server with the bucket "models" and returns its address.
func startS3(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED with -short: nothing was tested against an S3 server")
	}
	server := exec.Command(serverBinary(t), "-dir", t.TempDir(), "-access", accessKey, "-secret", secretKey, "-bucket", "models")
	var complaints bytes.Buffer
	server.Stderr = &complaints
	stdin, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // tells it to end
		_ = server.Wait()
		if t.Failed() {
			t.Logf("the S3 server says:\n%s", complaints.Bytes())
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal("the S3 server did not start: ", err)
	}
	return strings.TrimSpace(line)
}

func serverBinary(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("LODE_S3TEST"); bin != "" {
		return bin
	}
	bin := filepath.Join(os.TempDir(), "lode-s3test")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = filepath.Join("..", "tools", "s3test")
	build.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: nothing was tested against an S3 server, because tools/s3test does not build here: %v\n%s", err, out)
	}
	return bin
}

func openS3(t *testing.T, address, endpoint string) checkpoints.Store {
	t.Helper()
	s, err := checkpoints.Open(t.Context(), address, checkpoints.Options{
		Endpoint: endpoint, AccessKey: accessKey, SecretKey: secretKey, RetryFor: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestS3(t *testing.T) {
	endpoint := startS3(t)
	t.Run("conforms", func(t *testing.T) {
		storetest.Run(t, openS3(t, "s3://models/some/prefix", endpoint), 40<<20) // three parts
	})
	t.Run("conforms without prefix", func(t *testing.T) {
		storetest.Run(t, openS3(t, "s3://models", endpoint), 1<<20)
	})
	t.Run("write and pull", func(t *testing.T) {
		s := openS3(t, "s3://models/runs", endpoint)
		writeAndPull(t, s, s)
	})
	t.Run("cuts", func(t *testing.T) { s3Cuts(t, endpoint) })
	t.Run("environment", func(t *testing.T) { s3Environment(t, endpoint) })
	t.Run("advice", func(t *testing.T) { s3Advice(t, endpoint) })
}

// flaky passes requests on, but answers each third one with a fault and cuts
// long answers in half.
func flaky(t *testing.T, endpoint string, faults *atomic.Int32) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int32
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Method == http.MethodGet && r.ContentLength > 100_000 {
				faults.Add(1)
				r.Body = struct {
					io.Reader
					io.Closer
				}{io.LimitReader(r.Body, max(90_000, r.ContentLength/2)), r.Body}
			}
			return nil
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1)%3 == 0 {
			faults.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func s3Cuts(t *testing.T, endpoint string) {
	var faults atomic.Int32
	good := openS3(t, "s3://models/cuts", endpoint)
	m := writeDraft(t, good, draft(t, 600, 3))
	bad := openS3(t, "s3://models/cuts", flaky(t, endpoint, &faults))
	dir := t.TempDir()
	res, err := checkpoints.Pull(t.Context(), bad, dir, checkpoints.PullOptions{RetryFor: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if faults.Load() == 0 || res.Fetched < m.Size() {
		t.Errorf("%d faults, %d bytes: the bad network was not used", faults.Load(), res.Fetched)
	}
	checkModel(t, dir, draft(t, 600, 3))
}

func s3Environment(t *testing.T, endpoint string) {
	home := t.TempDir()
	for key, value := range map[string]string{
		"HOME": home, "AWS_PROFILE": "", "AWS_CONFIG_FILE": "", "AWS_SHARED_CREDENTIALS_FILE": "", "AWS_SESSION_TOKEN": "",
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1",
	} {
		t.Setenv(key, value)
	}
	try := func(what string) {
		s, err := checkpoints.Open(t.Context(), "s3://models/env", checkpoints.Options{})
		if err == nil {
			err = s.Put(t.Context(), "x", strings.NewReader("x"), 1)
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	try("keys from variables")
	for _, key := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_PROFILE"} {
		if err := os.Unsetenv(key); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(home, ".aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := "[default]\naws_access_key_id = " + accessKey + "\naws_secret_access_key = " + secretKey + "\n"
	if err := os.WriteFile(filepath.Join(home, ".aws", "credentials"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	try("keys from ~/.aws/credentials")
}

// Each mistake is answered with what to do, and nothing is tried for an hour first
// where trying again cannot help.
func s3Advice(t *testing.T, endpoint string) {
	notS3 := httptest.NewServer(http.NotFoundHandler())
	defer notS3.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	right := checkpoints.Options{Endpoint: endpoint, AccessKey: accessKey, SecretKey: secretKey, RetryFor: time.Hour}
	with := func(change func(o *checkpoints.Options)) checkpoints.Options {
		o := right
		change(&o)
		return o
	}
	for _, c := range []struct {
		name, bucket, want string
		opt                checkpoints.Options
	}{
		{"no bucket", "nowhere", "create the bucket", right},
		{"unknown key", "models", "AWS_ACCESS_KEY_ID", with(func(o *checkpoints.Options) { o.AccessKey = "other" })},
		{"wrong secret", "models", "AWS_SECRET_ACCESS_KEY", with(func(o *checkpoints.Options) { o.SecretKey = "other" })},
		{"wrong region", "models", "AWS_REGION", with(func(o *checkpoints.Options) { o.Region = "eu-west-3" })},
		{"nothing there", "models", "nothing listens", with(func(o *checkpoints.Options) { o.Endpoint, o.RetryFor = closed.URL, -1 })},
		{"no TLS", "models", "http://", with(func(o *checkpoints.Options) { o.Endpoint = strings.Replace(endpoint, "http:", "https:", 1) })},
		{"no S3 server", "models", "AWS_ENDPOINT_URL", with(func(o *checkpoints.Options) { o.Endpoint = notS3.URL })},
		{"unknown host", "models", "AWS_ENDPOINT_URL", with(func(o *checkpoints.Options) { o.Endpoint, o.RetryFor = "http://nowhere.invalid", -1 })},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := checkpoints.Open(t.Context(), "s3://"+c.bucket, c.opt)
			if err != nil {
				t.Fatal(err)
			}
			for what, err := range map[string]error{
				"Put": s.Put(t.Context(), "x", bytes.NewReader([]byte("x")), 1), "Get": getErr(s, "x"),
			} {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: %v\nwant advice with %q", what, err, c.want)
				}
				if err != nil && strings.Contains(err.Error(), secretKey) {
					t.Errorf("%s: the secret is in the error: %v", what, err)
				}
			}
		})
	}
}

func getErr(s checkpoints.Store, name string) error {
	r, _, err := s.Get(context.Background(), name, 0)
	if err == nil {
		err = errors.Join(errors.New("no error"), r.Close())
	}
	return err
}
