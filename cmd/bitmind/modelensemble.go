package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
)

// ensembleAt says whether path is an ensemble's folder or its description, as
// detector.Load does, and gives the folder.
func ensembleAt(path string) (folder string, ok bool) {
	if filepath.Base(path) == detector.EnsembleFile {
		path = filepath.Dir(path)
	}
	info, err := os.Stat(filepath.Join(path, detector.EnsembleFile))
	return path, err == nil && !info.IsDir()
}

// ensembleFiles is what an ensemble's folder holds.
type ensembleFiles struct {
	detector.Ensemble
	sha256  string // of the description, which names those of the members
	members []memberFiles
}

type memberFiles struct {
	description *detector.Description
	graph       []byte
}

// bytes is the size of the members' graphs.
func (e *ensembleFiles) bytes() int {
	n := 0
	for _, m := range e.members {
		n += len(m.graph)
	}
	return n
}

// readEnsemble reads an ensemble and checks its members against its description;
// nothing is run.
func readEnsemble(folder string) (*ensembleFiles, error) {
	text, err := os.ReadFile(filepath.Join(folder, detector.EnsembleFile))
	if err != nil {
		return nil, fmt.Errorf("reading the ensemble: %w", err)
	}
	description, err := detector.ParseEnsemble(text)
	if err != nil {
		return nil, fmt.Errorf("reading the ensemble %s: %w", folder, err)
	}
	sum := sha256.Sum256(text)
	e := &ensembleFiles{Ensemble: *description, sha256: hex.EncodeToString(sum[:])}
	for _, m := range e.Members {
		d, graph, err := detector.ReadPath(filepath.Join(folder, filepath.FromSlash(m.Path)))
		if err != nil {
			return nil, fmt.Errorf("reading the ensemble %s: member %s: %w", folder, m.Path, err)
		}
		if d.Graph.SHA256 != m.SHA256 {
			return nil, fmt.Errorf("reading the ensemble %s: member %s: %w: it has %s, not %s; try: get the folder again", folder, m.Path, detector.ErrHash, d.Graph.SHA256, m.SHA256)
		}
		e.members = append(e.members, memberFiles{d, graph})
	}
	return e, nil
}

// ensembleInfo is what info says of an ensemble with --json.
type ensembleInfo struct {
	detector.Info
	// The score is 1 / (1 + exp(-(Offset + sum of weight * log-odds of a member's
	// score))).
	Offset     float64      `json:"offset"`
	Members    []memberInfo `json:"members"`
	Parameters int          `json:"parameters"` // of all members
	Bytes      int          `json:"bytes"`
	MSPerImage float64      `json:"ms_per_image"`
}

// memberInfo is what info says of a member: as of any detector, with its weight.
type memberInfo struct {
	Path   string  `json:"path"`
	Weight float64 `json:"weight"`
	modelInfo
}

// runEnsemble is run for an ensemble.
func (o modelInfoOptions) runEnsemble(cmd *cobra.Command, folder string, opts detector.Options) error {
	files, err := readEnsemble(folder)
	if err != nil {
		return o.model.explain(err)
	}
	info := ensembleInfo{Offset: files.Offset, Bytes: files.bytes()}
	width, height := 0, 0
	for i, m := range files.members {
		member, err := inspectModel(cmd.Context(), m.description, m.graph, opts)
		if err != nil {
			return fmt.Errorf("member %s: %w", files.Members[i].Path, err)
		}
		info.Members = append(info.Members, memberInfo{files.Members[i].Path, files.Members[i].Weight, member})
		info.Parameters += member.Parameters
		width, height = max(width, member.Input.Width), max(height, member.Input.Height)
	}
	if err := info.load(cmd.Context(), folder, width, height, opts); err != nil {
		return o.model.explain(err)
	}
	if o.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(info)
	}
	return info.write(cmd.OutOrStdout())
}

// load opens the whole, as every command does, and times it.
func (i *ensembleInfo) load(ctx context.Context, folder string, width, height int, opts detector.Options) error {
	d, err := detector.Load(folder, opts)
	if err != nil {
		return err
	}
	i.Info = d.Info()
	i.MSPerImage, err = timePicture(ctx, d, width, height)
	return errors.Join(err, d.Close())
}

func (i ensembleInfo) write(out io.Writer) error {
	var sum strings.Builder
	for k, m := range i.Members {
		format := "%+.4g*logit%d"
		if k == 0 {
			format = "%.4g*logit%d"
		}
		fmt.Fprintf(&sum, format, m.Weight, k+1)
	}
	err := writeLines(out, [][2]string{
		{"name", strings.TrimSpace(i.Name + " " + i.Version)},
		{"architecture", fmt.Sprintf("%s of %d", i.Architecture, len(i.Members))},
		{"licence", i.Licence},
		{"trained on", i.TrainingData},
		{"verdicts", describeBand(i.Verdict)},
		{"calibration", fmt.Sprintf("score = 1/(1+exp(-(%s%+.4g)))", sum.String(), i.Offset)},
		{"parameters", fmt.Sprint(i.Parameters)},
		{"size", fmt.Sprintf("%.2f MB", float64(i.Bytes)/1e6)},
		{"speed", describeSpeed(i.MSPerImage)},
		{"sha256", i.SHA256},
	})
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nMEMBER\tNAME\tARCHITECTURE\tWEIGHT\tCALIBRATION\tINPUT\tMB\tMS")
	for k, m := range i.Members {
		fmt.Fprintf(w, "%d %s\t%s\t%s\t%.4g\t%s\t%s\t%.2f\t%.1f\n", k+1, m.Path, strings.TrimSpace(m.Name+" "+m.Version), m.Architecture, m.Weight,
			fmt.Sprintf("logit%d = %.4g*output%+.4g", k+1, m.Calibration.Scale, m.Calibration.Offset), fmt.Sprintf("%d x %d", m.Input.Width, m.Input.Height),
			float64(m.Bytes)/1e6, m.MSPerImage)
	}
	return w.Flush()
}
