// Command nprload measures NPR for comparison with PyTorch, on the same random
// weights. See bench/run.sh, which runs it.
//
//	nprload -write DIR                a detector, and npr.safetensors for PyTorch
//	nprload -detector DIR -batch 16   score pictures with it, print figures
//	nprload -detector DIR -bare       its graph alone, on a tensor that is ready
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/maxmos001/bitmind-subnet/bench/internal/peak"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
)

// side is that of the graph's input in pixels.
const side = 224

func main() {
	write := flag.String("write", "", "folder to write the detector and the weights to")
	folder := flag.String("detector", "", "folder of the detector to measure")
	batch := flag.Int("batch", 1, "pictures per call")
	threads := flag.Int("threads", 2, "cores that the detector uses")
	bare := flag.Bool("bare", false, "measure the graph alone, without preparing pictures")
	seconds := flag.Float64("seconds", 5, "how long to measure")
	flag.Parse()
	var err error
	switch {
	case *write != "":
		err = writeDetector(*write)
	case *bare:
		err = measureGraph(*folder, *batch, *threads, *seconds)
	default:
		err = measure(*folder, *batch, *threads, *seconds)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "nprload:", err)
		os.Exit(1)
	}
}

func writeDetector(folder string) error {
	weights := onnx.NPRInit(1)
	graph, err := onnx.NPR(weights, onnx.NPROptions{})
	if err != nil {
		return err
	}
	model, err := onnx.Marshal(graph)
	if err != nil {
		return err
	}
	err = detector.Write(folder, detector.Description{
		Format: 1, Name: "npr-random", Architecture: "npr",
		Input:  detector.Input{Name: onnx.NPRInput},
		Output: detector.Output{Name: onnx.NPROutput, Kind: detector.Logit},
		Preprocess: detector.Preprocess{
			Steps: []detector.Step{{Op: detector.CenterCrop, Size: side}},
			Mean:  [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225},
		},
		Calibration: detector.Calibration{Scale: 1}, Verdict: detector.DefaultBand,
		Labels:  [2]string{detector.Real, detector.AI},
		Licence: "MIT", TrainingData: "none: random weights",
	}, model)
	if err != nil {
		return err
	}
	data, err := weights.Safetensors()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "npr.safetensors"), data, 0o644)
}

// measure scores 256 x 256 pictures of noise: preprocessing is part of the time.
func measure(folder string, batch, threads int, seconds float64) (err error) {
	ctx := context.Background()
	d, err := detector.Load(folder, detector.Options{Threads: threads})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	rng := rand.New(rand.NewPCG(1, 2))
	pictures := make([]image.Image, batch)
	for i := range pictures {
		picture := image.NewRGBA(image.Rect(0, 0, 256, 256))
		for j := range picture.Pix {
			picture.Pix[j] = uint8(rng.IntN(256))
		}
		pictures[i] = picture
	}
	return report(batch, seconds, func() error {
		_, err := d.DetectBatch(ctx, pictures)
		return err
	})
}

// measureGraph runs the detector's graph on noise.
func measureGraph(folder string, batch, threads int, seconds float64) (err error) {
	runtime, err := ort.Open(ort.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, runtime.Close()) }()
	model, err := os.ReadFile(filepath.Join(folder, detector.GraphFile))
	if err != nil {
		return err
	}
	session, err := runtime.NewSession(model, ort.SessionOptions{Threads: threads})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	pixels, logits := make([]float32, batch*3*side*side), make([]float32, batch)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range pixels {
		pixels[i] = rng.Float32()
	}
	in, err := ort.NewTensor(pixels, int64(batch), 3, side, side)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := ort.NewTensor(logits, int64(batch), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return report(batch, seconds, func() error {
		return session.Run(context.Background(), []ort.Value{in}, []ort.Value{out})
	})
}

// report runs a call of batch pictures again and again and prints images per
// second and peak memory.
func report(batch int, seconds float64, call func() error) error {
	for range 3 {
		if err := call(); err != nil {
			return err
		}
	}
	runs, start := 0, time.Now()
	for time.Since(start).Seconds() < seconds {
		if err := call(); err != nil {
			return err
		}
		runs++
	}
	rate := float64(runs*batch) / time.Since(start).Seconds()
	peak, err := peak.MB("self")
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{"images_per_s": rate, "peak_mb": peak})
}
