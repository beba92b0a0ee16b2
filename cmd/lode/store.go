package main

// This file holds the flags by which stores are reached.

import (
	"context"

	"github.com/spf13/cobra"

	"lode/checkpoints"
)

type storeFlags struct {
	url, endpoint, region, access, secret string
}

func (f *storeFlags) add(c *cobra.Command, help string) {
	c.Flags().StringVar(&f.url, "store", "", help)
	f.addS3(c)
}

// addS3 adds how an S3 server is reached; by default as the AWS tools do.
func (f *storeFlags) addS3(c *cobra.Command) {
	c.Flags().StringVar(&f.endpoint, "s3-endpoint", "", "S3 server, http(s)://host:port (default AWS_ENDPOINT_URL, then AWS)")
	c.Flags().StringVar(&f.region, "s3-region", "", "S3 region (default AWS_REGION, then us-east-1)")
	c.Flags().StringVar(&f.access, "s3-access-key", "", "S3 key (default environment, ~/.aws, machine role)")
	c.Flags().StringVar(&f.secret, "s3-secret-key", "", "S3 secret; better in AWS_SECRET_ACCESS_KEY, where other users of this machine cannot read it")
}

func (f *storeFlags) options() checkpoints.Options {
	return checkpoints.Options{Endpoint: f.endpoint, Region: f.region, AccessKey: f.access, SecretKey: checkpoints.Secret(f.secret)}
}

// open opens the store that was asked for, or the folder given.
func (f *storeFlags) open(ctx context.Context, folder string) (checkpoints.Store, error) {
	url := f.url
	if url == "" {
		url = folder
	}
	return checkpoints.Open(ctx, url, f.options())
}

// args repeats the flags for another process; the secret goes by environment.
func (f *storeFlags) args() []string {
	var out []string
	for _, a := range []struct{ flag, value string }{
		{"--store", f.url}, {"--s3-endpoint", f.endpoint}, {"--s3-region", f.region}, {"--s3-access-key", f.access},
	} {
		if a.value != "" {
			out = append(out, a.flag, a.value)
		}
	}
	return out
}
