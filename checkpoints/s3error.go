package checkpoints

// This file holds what failures of a remote store mean: which pass by
// themselves, and what the user can do about the others.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/minio/minio-go/v7"
)

// transientNet reports whether a failure below the protocol may pass.
func transientNet(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return !dns.IsNotFound
	}
	_, isNet := errors.AsType[net.Error](err)
	return isNet && !isTLS(err) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

func isTLS(err error) bool {
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return cert || record || plainAnswer(err)
}

// plainAnswer reports whether a server without TLS was spoken to with TLS;
// net/http gives that error no type.
func plainAnswer(err error) bool {
	return strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

func transientS3(err error) bool {
	resp, ok := errors.AsType[minio.ErrorResponse](err)
	if !ok {
		return transientNet(err)
	}
	switch resp.Code {
	case "InternalError", "SlowDown", "SlowDownRead", "SlowDownWrite", "RequestTimeout", "Throttling", "ServiceUnavailable", "ConditionalRequestConflict", "OperationAborted":
		return true
	}
	return resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented
}

// explain wraps a failure with the operation, its kind and the next step.
func (s *S3) explain(what, name string, err error) error {
	where := fmt.Sprintf("%s s3://%s/%s at %s", what, s.bucket, s.key(name), s.endpoint)
	resp, ok := errors.AsType[minio.ErrorResponse](err)
	if !ok {
		return fmt.Errorf("%s: %w%s", where, err, s.adviseNet(err))
	}
	switch {
	case resp.Code == minio.NoSuchKey && resp.RequestID == "" && resp.HostID == "":
		// S3 servers number their answers; the client guesses this code from a bare 404.
		return fmt.Errorf("%s: the answer is not that of an S3 server: check AWS_ENDPOINT_URL", where)
	case resp.Code == minio.NoSuchKey:
		return fmt.Errorf("%s: %w", where, fs.ErrNotExist)
	case resp.Code == "PreconditionFailed" || resp.StatusCode == http.StatusPreconditionFailed:
		return fmt.Errorf("%s: %w", where, fs.ErrExist)
	}
	return fmt.Errorf("%s: %s: %w%s", where, resp.Code, err, s.adviseCode(resp))
}

func (s *S3) adviseCode(resp minio.ErrorResponse) string {
	switch resp.Code {
	case "NoSuchBucket":
		return fmt.Sprintf("; create the bucket %q or correct its name", s.bucket)
	case "InvalidAccessKeyId", "XAdminUserNotFound": // AWS and MinIO; versitygw
		return "; this server does not know the access key: check AWS_ACCESS_KEY_ID and that the endpoint is the right one"
	case "SignatureDoesNotMatch":
		return "; the secret does not belong to the access key: check AWS_SECRET_ACCESS_KEY"
	case "AccessDenied":
		return "; the key may not do this here: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's policy"
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "InvalidRegion":
		return fmt.Sprintf("; the bucket lies in another region%s: set AWS_REGION", within(resp.Region))
	case "RequestTimeTooSkewed":
		return "; set this machine's clock"
	case "NotImplemented":
		return "; the server lacks this part of the S3 protocol: use another server or a directory"
	}
	if resp.StatusCode == http.StatusMethodNotAllowed || resp.StatusCode == http.StatusNotFound {
		return "; is the endpoint an S3 server? check AWS_ENDPOINT_URL"
	}
	return ""
}

func within(region string) string {
	if region == "" {
		return ""
	}
	return " (" + region + ")"
}

func (s *S3) adviseNet(err error) string {
	_, dns := errors.AsType[*net.DNSError](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "; nothing listens there: start the server or correct AWS_ENDPOINT_URL"
	case dns:
		return "; the name is unknown: correct AWS_ENDPOINT_URL"
	case plainAnswer(err):
		return "; the server speaks plain HTTP: write the endpoint with http://"
	case isTLS(err):
		return "; its certificate is not trusted here, or it is not a TLS server: check AWS_ENDPOINT_URL"
	}
	return ""
}
