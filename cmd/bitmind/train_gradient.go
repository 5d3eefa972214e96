package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/ml/arch"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/train"
)

// trainGraph trains an architecture of package arch by its gradients.
func (o *trainOptions) trainGraph(cmd *cobra.Command) error {
	a, err := arch.Get(o.arch)
	if err != nil {
		return usageError{err}
	}
	if err := o.runtime.checkThreads(); err != nil {
		return err
	}
	if o.size == 0 {
		o.size = a.InputSize
	}
	settings := o.settings()
	if err := settings.Check(); err != nil {
		return usageError{err}
	}
	var weights onnx.Weights
	if o.init != "" {
		if weights, settings.Init, err = readInit(o.init, a); err != nil {
			return err
		}
	}
	var teacher *train.Teacher
	if o.teacher != "" {
		d, graph, err := detector.ReadPath(o.teacher)
		if err != nil {
			return fmt.Errorf("--teacher: %w", err)
		}
		teacher, settings.Teacher = &train.Teacher{Description: d, Graph: graph}, d.Name+" "+d.Graph.SHA256[:16]
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	split, err := o.open()
	if err != nil {
		return err
	}
	show := newTrainView(cmd, o.json)
	result, err := train.Run(cmd.Context(), train.Config{
		Settings: settings, Architecture: a, Init: weights, Teacher: teacher, Split: split,
		Folder: o.folder(), Resume: o.resume,
		LibraryPath: o.runtime.library, Threads: o.runtime.threads, Device: o.runtime.device, Workers: o.workers,
		Hooks: show.hooks(), Logger: log,
	})
	show.clear()
	switch {
	case errors.Is(err, train.ErrInterrupted):
		fmt.Fprintf(cmd.ErrOrStderr(), "%v; to go on from there, give the same command again\n", strings.TrimSuffix(err.Error(), ": "+context.Canceled.Error()))
		return context.Canceled
	case errors.Is(err, train.ErrSettings):
		return fmt.Errorf("%w; try: the same settings, another --experiment, or --resume=false to begin anew", err)
	case errors.Is(err, train.ErrDiverged):
		return fmt.Errorf("%w; try: a lower --lr, a --warm-up, or --clip 1", err)
	case errors.Is(err, train.ErrCheckpoint):
		return fmt.Errorf("%w, with --resume=false", err)
	case err != nil:
		return err
	}
	if o.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(result)
	}
	return show.finish(cmd.OutOrStdout(), result)
}

// readInit reads the weights in a file for an architecture, and says which they
// are.
func readInit(path string, a arch.Architecture) (onnx.Weights, string, error) {
	weights, identity, err := train.ReadWeights(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("--init: there is no file %s; try: a .safetensors, .pth or .onnx file", path)
	}
	if err != nil {
		return nil, "", fmt.Errorf("--init: %w", err)
	}
	if weights, err = a.Adopt(weights); err != nil {
		return nil, "", fmt.Errorf("--init %s: %w; try: weights of the same architecture from a .safetensors or .pth file (an .onnx file for detection has its norms folded away)", path, err)
	}
	return weights, filepath.Base(path) + " " + identity, nil
}
