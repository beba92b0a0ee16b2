package main

// This file holds lode yuma run: epochs from a file.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lode/yuma/casefile"
)

func yumaCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "yuma", Short: "Yuma consensus by itself: run epochs from a file, play published studies", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(yumaRunCommand(), yumaSimulateCommand())
	return c
}

func yumaRunCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "run FILE.json",
		Short: "Evaluate an epoch or a sequence of epochs and print who gets what",
		Long: `Evaluate an epoch, a sequence of epochs or a study from a file, - for standard
input. A file holds one case or an array of them. A case names rules, stake by uid
and weights by uid; what it leaves out is the chain's:

  {"params": {"version": "yuma3", "rao_emission": 1000},
   "epochs": [
     {"block": 10, "stake": [60, 40, 0, 0],
      "weights_sparse": {"0": [[2, 65535]], "1": [[2, 65535], [3, 30000]]}},
     {"weights_sparse": {"0": [[3, 65535]], "1": [[3, 65535]]}}]}

Bonds and permits go from epoch to epoch. All fields are in "go doc lode/yuma/casefile".
Epochs are computed in the chain's integers, bit for bit; with --json each case is one
line with fractions to ten decimals, stored 16-bit values and amounts. Cases with a
field kind: sim are computed in float64.`,
		Example: `  lode yuma run epoch.json
  lode yuma run --json - < epochs.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			data, err := readCases(args[0], c.InOrStdin())
			if err != nil {
				return err
			}
			return runCases(c.OutOrStdout(), c.ErrOrStderr(), data, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a case")
	return c
}

// maxCaseFile bounds what is read; an epoch of 4,096 neurons and 128 validators
// takes 8 MiB.
const maxCaseFile = 256 << 20

func readCases(name string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxCaseFile+1))
	if err == nil && len(data) > maxCaseFile {
		err = fmt.Errorf("%s is larger than %s", name, bytesText(maxCaseFile))
	}
	return data, err
}

// ran is the JSON form of a case that was run.
type ran struct {
	Name   string `json:"name,omitempty"`
	Kind   string `json:"kind"`
	Epochs any    `json:"epochs"`
}

func runCases(w, stderr io.Writer, data []byte, asJSON bool) error {
	cases, err := casefile.Split(data)
	if err == nil && len(cases) == 0 {
		err = errors.New("the file holds no case")
	}
	for _, c := range cases {
		if unknown := c.Unknown(); len(unknown) > 0 {
			fmt.Fprintf(stderr, "note: not known and not read: %s\n", strings.Join(unknown, ", "))
		}
	}
	if err != nil {
		return err
	}
	for _, c := range cases {
		r, err := c.Run()
		if err != nil {
			return err
		}
		if asJSON {
			err = json.NewEncoder(w).Encode(ranCase(c, r))
		} else {
			err = printCase(w, c, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func ranCase(c casefile.Case, r casefile.Results) ran {
	if c.Kind == casefile.Sim {
		return ran{c.Name, c.Kind, r.Studies}
	}
	return ran{c.Name, c.Kind, r.Epochs}
}

func printCase(w io.Writer, c casefile.Case, r casefile.Results) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	heading := func(k, of int) {
		fmt.Fprintln(t, strings.TrimSpace(fmt.Sprintf("%s epoch %d of %d", c.Name, k+1, of)))
	}
	for k, o := range r.Epochs {
		heading(k, len(r.Epochs))
		printEpoch(t, o)
	}
	for k, o := range r.Studies {
		heading(k, len(r.Studies))
		printStudyEpoch(t, o)
	}
	return t.Flush()
}

func printEpoch(w io.Writer, o casefile.Outcome) {
	fmt.Fprintln(w, "uid\tstake\tactive\ttrust\tconsensus\tincentive\tdividends\temission\tpermit\t")
	for i := range o.StakeWeight {
		permit := "no"
		if o.Permits[i] {
			permit = "yes"
		}
		fmt.Fprintf(w, "%d\t%.6f\t%.6f\t%.6f\t%.6f\t%.6f\t%.6f\t%d\t%s\t\n", i, o.StakeWeight[i], o.ActiveStake[i],
			o.ValidatorTrust[i], o.Consensus[i], o.Incentive[i], o.Dividends[i], o.Combined[i], permit)
	}
}

func printStudyEpoch(w io.Writer, o casefile.StudyOutcome) {
	fmt.Fprintln(w, "validator\tdividends\tbonds\t")
	for i, d := range o.Dividends {
		fmt.Fprintf(w, "%d\t%.6f\t%.6f\t\n", i, d, o.Bonds[i])
	}
	fmt.Fprintln(w, "server\tconsensus\tincentive\t")
	for j, c := range o.Consensus {
		fmt.Fprintf(w, "%d\t%.6f\t%.6f\t\n", j, c, o.Incentive[j])
	}
}
