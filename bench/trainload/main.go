// Command trainload measures the training step of an architecture for comparison
// with PyTorch (bench/train_peer.py): forward, binary cross-entropy, backward and
// Adam as one graph, on a batch of noise that is ready. See bench/train.sh.
//
//	trainload -arch npr -size 224 -batch 8 -seconds 5
//	trainload -arch npr -write step.onnx      the graph, to look at
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/maxmos001/bitmind-subnet/ml/arch"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/onnx/autodiff"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
	"github.com/maxmos001/bitmind-subnet/ml/train"
)

func main() {
	name := flag.String("arch", "npr", "architecture")
	size := flag.Int("size", 224, "side of the pictures")
	batch := flag.Int("batch", 8, "pictures in a step")
	threads := flag.Int("threads", 2, "cores that the step uses")
	seconds := flag.Float64("seconds", 5, "how long to measure")
	write := flag.String("write", "", "write the step's graph to this file instead of measuring")
	flag.Parse()
	err := run(*name, *size, *batch, *threads, *seconds, *write)
	if err != nil {
		fmt.Fprintln(os.Stderr, "trainload:", err)
		os.Exit(1)
	}
}

// prefix marks the outputs that take the place of an input in the next step.
const prefix = "new:"

func run(name string, size, batch, threads int, seconds float64, write string) (err error) {
	g, outputs, err := step(name, size, batch)
	if err != nil {
		return err
	}
	model, err := g.Model(outputs, autodiff.ModelOptions{ParametersAsInputs: true})
	if err != nil {
		return err
	}
	data, err := onnx.Marshal(model)
	if err != nil {
		return err
	}
	if write != "" {
		return os.WriteFile(write, data, 0o644)
	}
	runtime, err := ort.Open(ort.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, runtime.Close()) }()
	session, err := runtime.NewSession(data, ort.SessionOptions{Threads: threads})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()

	start := map[string][]float32{}
	for _, v := range append(g.Parameters(), g.Buffers()...) {
		start[v.Name()] = v.Init().Data
	}
	rng := rand.New(rand.NewPCG(1, 2))
	tensor := func(port onnx.Port, values []float32) (*ort.Tensor[float32], error) {
		n, shape := 1, []int64(nil)
		for _, d := range port.Dims {
			n, shape = n*int(d), append(shape, int64(d))
		}
		if values == nil {
			values = make([]float32, n)
		}
		return ort.NewTensor(values, shape...)
	}
	var in, out []ort.Value
	for _, port := range session.Inputs() {
		t, err := tensor(port, start[port.Name])
		if err != nil {
			return err
		}
		for i := range t.Data() {
			switch port.Name {
			case "image":
				t.Data()[i] = rng.Float32()
			case "label":
				t.Data()[i] = float32(i % 2)
			}
		}
		in = append(in, t)
	}
	var loss []float32
	// feeds[i] is the input that output i becomes in the next step, -1 for none.
	feeds := make([]int, len(session.Outputs()))
	for i, port := range session.Outputs() {
		t, err := tensor(port, nil)
		if err != nil {
			return err
		}
		out = append(out, t)
		feeds[i] = -1
		if old, ok := strings.CutPrefix(port.Name, prefix); ok {
			for j, p := range session.Inputs() {
				if p.Name == old {
					feeds[i] = j
				}
			}
		} else {
			loss = t.Data()
		}
	}
	once := func() error {
		if err := session.Run(context.Background(), in, out); err != nil {
			return err
		}
		for i, j := range feeds {
			if j >= 0 {
				in[j], out[i] = out[i], in[j]
			}
		}
		return nil
	}
	for range 2 {
		if err := once(); err != nil {
			return err
		}
	}
	steps, began := 0, time.Now()
	for ; time.Since(began).Seconds() < seconds; steps++ {
		if err := once(); err != nil {
			return err
		}
	}
	rate := float64(steps*batch) / time.Since(began).Seconds()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"images_per_s": float64(int(rate*1000)) / 1000, "peak_mb": usage.Maxrss / 1024, "loss": loss[0]})
}

// step builds forward, loss, backward and Adam (with the bias correction of its
// first step throughout, which costs the same).
func step(name string, size, batch int) (*autodiff.Graph, map[string]*autodiff.Value, error) {
	a, err := arch.Get(name)
	if err != nil {
		return nil, nil, err
	}
	g := autodiff.New("step", autodiff.Options{Training: true})
	logit := a.Build(g, g.Input("image", batch, 3, size, size), a.Init(1))
	loss := train.Loss{Kind: train.CrossEntropy}.Build(g, logit, g.Input("label", batch, 1))
	gradients, err := g.Gradients(loss, g.Parameters())
	if err != nil {
		return nil, nil, err
	}
	outputs := map[string]*autodiff.Value{"loss": loss}
	for _, u := range g.Updates() {
		outputs[prefix+u.Buffer.Name()] = u.New
	}
	for i, w := range g.Parameters() {
		d, name := gradients[i], w.Name()
		average := func(kind string, now *autodiff.Value, beta float64) *autodiff.Value {
			old := g.Input(kind+name, w.Shape()...)
			v := g.Add(g.Mul(old, g.Scalar(beta)), g.Mul(now, g.Scalar(1-beta)))
			outputs[prefix+kind+name] = v
			return v
		}
		m, v := average("m:", d, 0.9), average("v:", g.Mul(d, d), 0.999)
		outputs[prefix+name] = g.Sub(w, g.Mul(g.Scalar(1e-3/0.1),
			g.Div(m, g.Add(g.Mul(g.Sqrt(v), g.Scalar(31.6)), g.Scalar(1e-8)))))
	}
	return g, outputs, g.Err()
}
