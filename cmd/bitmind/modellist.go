package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/models"
)

type modelListOptions struct {
	json bool
}

func newModelListCmd() *cobra.Command {
	var opts modelListOptions
	cmd := &cobra.Command{
		Use:   "list [FOLDER]",
		Short: "List the detectors of this program and those in a folder",
		Long: `List names the detectors inside the program and, with a FOLDER, those in it and in
the folders directly below it: folders with a description, ensembles, and ONNX files that
hold theirs. Graphs are checked against their descriptions and not run.

Exit status: 0 done, 1 failed (also when a detector is damaged), 2 wrong usage.`,
		Example: `  bitmind model list
  bitmind model list --json runs/`,
		Args: positional(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return opts.run(cmd, args) },
	}
	cmd.Flags().BoolVar(&opts.json, "json", false, "print one JSON document")
	return cmd
}

// listedModel is one line of list.
type listedModel struct {
	Path         string         `json:"path,omitempty"`   // empty for those inside the program
	Inside       string         `json:"inside,omitempty"` // of those inside the program: what --model calls them
	Name         string         `json:"name,omitempty"`
	Version      string         `json:"version,omitempty"`
	Architecture string         `json:"architecture,omitempty"`
	Bytes        int            `json:"bytes,omitempty"`
	Default      bool           `json:"default,omitempty"`
	SHA256       string         `json:"sha256,omitempty"`
	Members      []listedMember `json:"members,omitempty"` // of an ensemble
	Error        string         `json:"error,omitempty"`
}

// listedMember is one detector of an ensemble.
type listedMember struct {
	Path         string  `json:"path"`
	Name         string  `json:"name"`
	Architecture string  `json:"architecture"`
	Weight       float64 `json:"weight"`
}

func (o modelListOptions) run(cmd *cobra.Command, args []string) error {
	list, err := shippedModels()
	if err != nil {
		return err
	}
	broken := 0
	for _, dir := range args {
		found, err := modelsIn(dir)
		if err != nil {
			return err
		}
		for _, m := range found {
			if m.Error != "" {
				broken++
			}
		}
		list = append(list, found...)
	}
	if o.json {
		err = printJSON(cmd.OutOrStdout(), list)
	} else {
		err = writeModels(cmd.OutOrStdout(), list)
	}
	if err == nil && broken > 0 {
		err = fmt.Errorf("%d detectors in %s are damaged; try: get them again", broken, args[0])
	}
	return err
}

func shippedModels() ([]listedModel, error) {
	entries, err := fs.ReadDir(models.FS, ".")
	if err != nil {
		return nil, err
	}
	var list []listedModel
	for _, e := range entries {
		d, graph, err := detector.Read(models.FS, e.Name())
		if err != nil {
			return nil, fmt.Errorf("reading the shipped detector %s: %w", e.Name(), err)
		}
		m := listed("", d, len(graph))
		m.Inside, m.Default = e.Name(), e.Name() == models.Default
		list = append(list, m)
	}
	return list, nil
}

func listed(path string, d *detector.Description, size int) listedModel {
	return listedModel{Path: path, Name: d.Name, Version: d.Version, Architecture: d.Architecture, Bytes: size, SHA256: d.Graph.SHA256}
}

func listedEnsemble(folder string) (listedModel, error) {
	e, err := readEnsemble(folder)
	if err != nil {
		return listedModel{}, err
	}
	m := listedModel{Path: folder, Name: e.Name, Version: e.Version, Architecture: "ensemble", Bytes: e.bytes(), SHA256: e.sha256}
	for i, member := range e.Members {
		d := e.members[i].description
		m.Members = append(m.Members, listedMember{member.Path, d.Name, d.Architecture, member.Weight})
	}
	return m, nil
}

func writeModels(out io.Writer, list []listedModel) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tARCHITECTURE\tMB\tWHERE")
	for _, m := range list {
		where := m.Path
		if where == "" {
			where = "inside the program: --model " + m.Inside
		}
		if m.Default {
			where += " (default)"
		}
		if m.Error != "" {
			fmt.Fprintf(w, "damaged\t-\t-\t%s: %s\n", where, m.Error)
			continue
		}
		architecture := m.Architecture
		var members []string
		for _, member := range m.Members {
			members = append(members, member.Architecture)
		}
		if len(members) > 0 {
			architecture += " of " + strings.Join(members, ", ")
		}
		fmt.Fprintf(w, "%s\t%s\t%.2f\t%s\n", strings.TrimSpace(m.Name+" "+m.Version), architecture, float64(m.Bytes)/1e6, where)
	}
	return w.Flush()
}

// modelsIn finds the detectors in a folder, which may be one itself.
func modelsIn(dir string) ([]listedModel, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil, fmt.Errorf("there is no folder %s; try: a folder that holds detectors", dir)
	}
	if err != nil {
		return nil, err
	}
	var list []listedModel
	add := func(path string) {
		m, err := listedAt(path)
		if err != nil {
			m = listedModel{Path: path, Error: err.Error()}
		}
		list = append(list, m)
	}
	isDetector := func(path string) bool {
		if _, ok := ensembleAt(path); ok {
			return true
		}
		_, err := os.Stat(filepath.Join(path, detector.DescriptionFile))
		return err == nil
	}
	if isDetector(dir) {
		add(dir)
		return list, nil
	}
	err = fs.WalkDir(os.DirFS(dir), ".", func(p string, e fs.DirEntry, err error) error {
		full := filepath.Join(dir, filepath.FromSlash(p))
		switch {
		case err != nil:
			return err
		case e.IsDir() && p != "." && isDetector(full):
			add(full)
			return fs.SkipDir
		case e.IsDir() && strings.Contains(p, "/"):
			return fs.SkipDir
		case strings.HasSuffix(p, ".onnx") && described(full):
			add(full)
		}
		return nil
	})
	return list, err
}

func listedAt(path string) (listedModel, error) {
	if folder, ok := ensembleAt(path); ok {
		return listedEnsemble(folder)
	}
	d, graph, err := detector.ReadPath(path)
	if err != nil {
		return listedModel{}, err
	}
	return listed(path, d, len(graph)), nil
}

// described says whether an ONNX file holds a detector's description: others are
// not listed.
func described(path string) bool {
	data, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	s, err := onnx.Inspect(data)
	return err == nil && s.Metadata[detector.MetadataKey] != ""
}
