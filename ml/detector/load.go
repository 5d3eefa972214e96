package detector

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
	"github.com/maxmos001/bitmind-subnet/models"
)

// Options say how a detector runs.
type Options struct {
	// LibraryPath is ONNX Runtime's shared library; empty means to look for it as
	// package ort describes.
	LibraryPath string
	// Threads is how many cores one picture uses; 0 means all that Go uses.
	Threads int
	// Device is "" or "cpu", or "cuda" or "cuda:N".
	Device string
	// Batch is how many inputs one run takes; larger batches are cut up. It decides
	// the memory that is held. 0 suits a CPU: 1 at 224 pixels, more where inputs are
	// smaller. A graphics card wants more.
	Batch int
	// Parallel is how many runs may be under way at once; 0 means 2.
	Parallel int
	// Brief is for a few pictures: a large detector is there in half the time, with
	// a third of the memory, but not warm, and each picture takes longer.
	Brief bool
	// Extras loads at once what Heatmap and Look need beside the score, where it costs
	// the score no time. Else they load it when they are first used, and a large
	// detector's weights are then in memory twice.
	Extras bool
	// Shared is for many callers at once: with Threads 0 a small graph runs on one
	// core, since two pictures side by side are sooner done than one after the other on
	// two.
	Shared bool
	Logger *slog.Logger // nil discards
}

// smallGraph is up to which size, in bytes, a graph is small.
const smallGraph = 4 << 20

// ErrHash says that a graph is not the one that its description names.
var ErrHash = errors.New("the graph does not have the described sha256")

// Load opens the detector at path, a folder or an ONNX file, and runs it once, so
// that the first caller finds it warm (unless Options.Brief).
func Load(path string, opts Options) (Detector, error) {
	d, err := load(path, opts)
	if err != nil {
		return nil, fmt.Errorf("loading the detector %s: %w", path, err)
	}
	return d, nil
}

func load(path string, opts Options) (Detector, error) {
	folder := path
	if filepath.Base(path) == EnsembleFile {
		folder = filepath.Dir(path)
	}
	if info, err := os.Stat(folder); err == nil && info.IsDir() && isEnsemble(os.DirFS(folder), ".") {
		return loadEnsemble(os.DirFS(folder), ".", opts)
	}
	return newModel(func() (*Description, []byte, error) { return readPath(path) }, opts)
}

// New makes a detector of a graph in memory, which need not have the hash that
// the description names, and runs it once.
func New(d Description, graph []byte, opts Options) (Detector, error) {
	if d.Graph.SHA256 == "" {
		sum := sha256.Sum256(graph)
		d.Graph.SHA256 = hex.EncodeToString(sum[:])
	}
	made, err := newModel(func() (*Description, []byte, error) { return &d, graph, d.Check() }, opts)
	if err != nil {
		return nil, fmt.Errorf("making a detector: %w", err)
	}
	return made, nil
}

// ReadPath gives the description and the graph's file of the detector at path,
// a folder or an ONNX file, after checking the one against the other.
func ReadPath(path string) (*Description, []byte, error) {
	description, model, err := readPath(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the detector %s: %w", path, err)
	}
	return description, model, nil
}

func readPath(path string) (*Description, []byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, withoutPath(err)
	}
	if info.IsDir() {
		if isEnsemble(os.DirFS(path), ".") {
			return nil, nil, fmt.Errorf("%w: an ensemble has no graph of its own; try: one of its members", ErrDescription)
		}
		return Read(os.DirFS(path), ".")
	}
	if filepath.Base(path) == DescriptionFile {
		return Read(os.DirFS(filepath.Dir(path)), ".")
	}
	model, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, withoutPath(err)
	}
	description, err := Unpack(model)
	if err != nil {
		return nil, nil, err
	}
	return description, model, nil
}

// LoadFS opens the detector in a folder of a file system, such as an embedded
// one.
func LoadFS(files fs.FS, folder string, opts Options) (Detector, error) {
	d, err := loadFS(files, folder, opts)
	if err != nil {
		return nil, fmt.Errorf("loading the detector %s: %w", folder, err)
	}
	return d, nil
}

func loadFS(files fs.FS, folder string, opts Options) (Detector, error) {
	if isEnsemble(files, folder) {
		return loadEnsemble(files, folder, opts)
	}
	return newModel(func() (*Description, []byte, error) { return Read(files, folder) }, opts)
}

// Read gives the description and the graph's file of a detector's folder, after
// checking the one against the other. The file may be files' own and must not be
// changed.
func Read(files fs.FS, folder string) (*Description, []byte, error) {
	text, err := fs.ReadFile(files, path.Join(folder, DescriptionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w: there is no %s; try: a folder with %s and %s", ErrDescription, DescriptionFile, DescriptionFile, GraphFile)
	}
	if err != nil {
		return nil, nil, withoutPath(err)
	}
	description, err := ParseDescription(text)
	if err != nil {
		return nil, nil, err
	}
	name := description.Graph.File
	if name == "" {
		name = GraphFile
	}
	model, err := contents(files, path.Join(folder, name))
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", name, withoutPath(err))
	}
	if sum := sha256.Sum256(model); hex.EncodeToString(sum[:]) != description.Graph.SHA256 {
		return nil, nil, fmt.Errorf("%w: %s has %x, not %s; try: get the folder again", ErrHash, name, sum, description.Graph.SHA256)
	}
	return description, model, nil
}

// contents is fs.ReadFile, without a copy where the file system can show what it has,
// as package models does.
func contents(files fs.FS, name string) ([]byte, error) {
	if v, ok := files.(interface{ View(name string) []byte }); ok {
		if data := v.View(name); data != nil {
			return data, nil
		}
	}
	return fs.ReadFile(files, name)
}

// Unpack gives the description inside an ONNX file of the single-file form, after
// checking the graph against it.
func Unpack(model []byte) (*Description, error) {
	signature, err := onnx.Inspect(model)
	if err != nil {
		return nil, err
	}
	text, ok := signature.Metadata[MetadataKey]
	if !ok {
		return nil, fmt.Errorf("%w: the file has none; try: a folder with %s beside it", ErrDescription, DescriptionFile)
	}
	description, err := ParseDescription([]byte(text))
	if err != nil {
		return nil, err
	}
	if sum := signature.GraphSHA256(); hex.EncodeToString(sum[:]) != description.Graph.SHA256 {
		return nil, fmt.Errorf("%w: it has %x, not %s; try: get the file again", ErrHash, sum, description.Graph.SHA256)
	}
	return description, nil
}

// Pack gives the single-file form: the ONNX file with the description in its
// metadata.
func Pack(d Description, model []byte) ([]byte, error) {
	signature, err := onnx.Inspect(model)
	if err != nil {
		return nil, err
	}
	sum := signature.GraphSHA256()
	d.Graph = Graph{SHA256: hex.EncodeToString(sum[:])}
	if err := d.Check(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encoding the description: %w", err)
	}
	return onnx.WithMetadata(model, MetadataKey, string(text))
}

// Write makes the folder form: description and graph, with the graph's name and
// hash filled in. The description is written last, so that a folder with one is
// whole.
func Write(folder string, d Description, model []byte) error {
	sum := sha256.Sum256(model)
	d.Graph = Graph{File: GraphFile, SHA256: hex.EncodeToString(sum[:])}
	if err := d.Check(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the description: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("writing a detector: %w", err)
	}
	if err := writeFile(filepath.Join(folder, GraphFile), model); err != nil {
		return err
	}
	return writeFile(filepath.Join(folder, DescriptionFile), append(text, '\n'))
}

// source gives a detector's description and its graph's file, checked against each
// other. It is asked again where a second session is made of the graph, so that the
// file need not be held.
type source func() (*Description, []byte, error)

// newModel loads the graph, checks it against the description and warms it.
func newModel(from source, opts Options) (_ Detector, err error) {
	d, graph, err := from()
	if err != nil {
		return nil, err
	}
	if opts.Shared && opts.Threads == 0 && len(graph) <= smallGraph {
		opts.Threads = 1
	}
	m := &model{description: *d, from: from, opts: opts}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	added := d.extensible() && opts.Extras && d.extrasAreFree()
	if added {
		if graph, err = d.extend(graph); err != nil {
			return nil, err
		}
	}
	if m.ready, err = m.load(graph, added); err != nil {
		return nil, err
	}
	if added || !d.extensible() {
		m.extension.loaded = m.ready
	}
	if opts.Brief {
		return m, nil
	}
	return m, m.ready.batcher.Warm(context.Background())
}

// load makes a session of a graph, which has the outputs that Description.extend
// adds where added is set.
func (m *model) load(graph []byte, added bool) (_ *loaded, err error) {
	runtime, err := ort.Open(ort.Options{LibraryPath: m.opts.LibraryPath, Logger: m.opts.Logger})
	if err != nil {
		return nil, err
	}
	// The session holds the library from here on.
	session, err := runtime.NewSession(graph, ort.SessionOptions{Threads: m.opts.Threads, Device: m.opts.Device, Unfolded: m.opts.Brief})
	models.GiveBack() // the session has a copy
	if err = errors.Join(err, runtime.Close()); err != nil {
		return nil, err
	}
	l := &loaded{session: session, heatmap: -1, kinds: -1}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	d := m.description
	described := []string{d.Output.Name}
	if d.Heatmap != nil && (!d.Heatmap.Added() || added) {
		l.heatmap = len(described)
		described = append(described, d.Heatmap.Name)
	}
	if d.Kinds != nil && added {
		l.kinds = len(described)
		described = append(described, kindsOutput)
	}
	in, out := session.Inputs(), session.Outputs()
	if len(in) != 1 || in[0].Name != d.Input.Name || !slices.EqualFunc(out, described, func(p onnx.Port, name string) bool { return p.Name == name }) {
		return nil, fmt.Errorf("%w: the graph has inputs %v and outputs %v; described are %q and %q", ort.ErrModel, in, out, d.Input.Name, described)
	}
	width, height := d.Preprocess.Size()
	l.batcher, err = session.NewBatcher(ort.BatchOptions{
		Item: []int64{3, int64(height), int64(width)},
		Max:  m.opts.Batch, Parallel: m.opts.Parallel,
	})
	if err != nil {
		return nil, err
	}
	want := 1
	if d.Output.Kind == Logits {
		want = 2
	}
	if l.batcher.Width() != want {
		return nil, fmt.Errorf("%w: the graph gives %s, which is not of kind %q", ort.ErrModel, out[0], d.Output.Kind)
	}
	if l.heatmap > 0 && len(l.batcher.Shape(l.heatmap)) != 2 {
		return nil, fmt.Errorf("%w: the graph gives %s, which is no heatmap; want float[N, h, w]", ort.ErrModel, out[l.heatmap])
	}
	return l, nil
}

// withoutPath leaves the path out of a file error whose message names it anyway.
func withoutPath(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
