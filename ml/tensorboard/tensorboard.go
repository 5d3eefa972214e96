// Package tensorboard writes the event files that TensorBoard shows: scalars,
// images, histograms, precision-recall curves and text.
//
//	w, err := tensorboard.Create("runs/first")
//	w.Scalar("loss/train", step, loss)
//	w.Image("mistakes/0", step, picture)
//	err = w.Close()
//
// The files are TFRecords of TensorFlow's Event messages
// (tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto in
// https://github.com/tensorflow/tensorflow), which are encoded field by field here:
// no code of TensorFlow is needed. A record has checksums, so that a reader skips
// one that a kill has cut off.
package tensorboard

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Writer appends events to one file. It is safe for concurrent use. Errors stick:
// after one nothing more is written, and Flush and Close return it, so that a
// training run need not look at every value it logs.
type Writer struct {
	mu   sync.Mutex
	file *os.File
	buf  *bufio.Writer
	err  error
	now  func() time.Time
}

// Create opens a new event file in a folder, which is made where it is missing.
// TensorBoard joins the files of one folder in the order of their names, which
// begin with the time: a run that goes on writes a second file beside the first.
func Create(dir string) (*Writer, error) { return create(dir, time.Now) }

// Resume is Create for a run that goes on at a step: TensorBoard forgets what
// earlier files hold from that step on, which a killed run may have written after
// its last checkpoint.
func Resume(dir string, step int64) (*Writer, error) {
	w, err := Create(dir)
	if err != nil {
		return nil, err
	}
	w.write(sessionStart(step))
	return w, nil
}

func create(dir string, now func() time.Time) (*Writer, error) {
	w, err := open(dir, now)
	if err != nil {
		return nil, fmt.Errorf("creating an event file: %w", err)
	}
	return w, nil
}

func open(dir string, now func() time.Time) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	earlier, err := eventFiles(dir)
	if err != nil {
		return nil, err
	}
	var f *os.File
	for n := 0; f == nil; n++ {
		name := fmt.Sprintf("%s%010d.%d.%d", filePrefix, now().Unix(), os.Getpid(), n)
		f, err = os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	w := &Writer{file: f, buf: bufio.NewWriter(f), now: now}
	w.write(fileVersion())
	if len(earlier) == 0 {
		// TensorBoard takes the first start of a session for the run's, and only
		// later ones for restarts.
		w.write(sessionStart(0))
	}
	// The folder shows as a run at once.
	if err := w.Flush(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

// filePrefix begins the names by which TensorBoard finds event files.
const filePrefix = "events.out.tfevents."

// eventFiles lists the event files of a folder in the order of their names.
func eventFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filePrefix) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}

// Path is the event file's.
func (w *Writer) Path() string { return w.file.Name() }

// Scalar adds a point to a curve. A tag's part before the first slash groups it.
// TensorBoard keeps float32.
func (w *Writer) Scalar(tag string, step int64, v float64) { w.write(scalar(tag, step, v)) }

// Histogram adds the distribution of values, of which those that are not finite
// are left out; of none nothing is written.
func (w *Writer) Histogram(tag string, step int64, values []float32) {
	if rows := histogramRows(values); rows != nil {
		w.write(histogram(tag, step, rows))
	}
}

// Image adds a picture, stored as a PNG.
func (w *Writer) Image(tag string, step int64, img image.Image) {
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		w.fail(fmt.Errorf("encoding the image %q: %w", tag, err))
		return
	}
	w.write(picture(tag, step, img.Bounds().Dx(), img.Bounds().Dy(), buf.Bytes()))
}

// PRCurve adds a precision-recall curve: labels are 1 for the class to find and 0
// for the other, scores lie in [0,1]. Pictures beyond the shorter slice and scores
// that are out of range are left out.
func (w *Writer) PRCurve(tag string, step int64, labels []int, scores []float64) {
	w.write(prCurve(tag, step, prTable(labels, scores)))
}

// Text adds a text, which TensorBoard shows as Markdown.
func (w *Writer) Text(tag string, step int64, markdown string) { w.write(text(tag, step, markdown)) }

// Flush hands what was written to the operating system, and so to a TensorBoard
// that is looking.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keep(w.buf.Flush())
	return w.err
}

// Close flushes, stores and closes the file. It returns the first error of all.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(w.err, fs.ErrClosed) {
		return w.err
	}
	w.keep(w.buf.Flush())
	w.keep(w.file.Sync())
	w.keep(w.file.Close())
	err := w.err
	w.err = fmt.Errorf("writing events: %w", fs.ErrClosed)
	return err
}

// write appends an event with the time of now.
func (w *Writer) write(e event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	_, err := w.buf.Write(record(e.encode(w.now())))
	w.keep(err)
}

func (w *Writer) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keep(err)
}

// keep remembers the first error.
func (w *Writer) keep(err error) {
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("writing events: %w", err)
	}
}
