package miner_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/localnet"
	"github.com/maxmos001/bitmind-subnet/bittensor/synapse"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/subnet/miner"
	"github.com/maxmos001/bitmind-subnet/subnet/protocol"
	"github.com/maxmos001/bitmind-subnet/subnet/subnettest"
)

// constantModel is a detector in one file whose score for any picture is the
// sigmoid of the logit, so that an answer tells which model gave it. The graph is
// fixed at side pixels, its description at 32.
func constantModel(t *testing.T, name string, logit float32, side, outputs int) []byte {
	t.Helper()
	b := onnx.NewBuilder("constant")
	x := b.Input("image", "N", 3, side, side)
	x = b.Node("Flatten", []string{b.Node("GlobalAveragePool", []string{x})})
	bias := onnx.NewTensor(outputs)
	for i := range bias.Data {
		bias.Data[i] = logit
	}
	b.NamedNode("logit", "Gemm", []string{x, b.Constant("w", onnx.NewTensor(3, outputs)), b.Constant("b", bias)})
	b.Output("logit", "N", outputs)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	graph, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := detector.Pack(detector.Description{
		Format: 1, Name: name, Architecture: "constant",
		Input:       detector.Input{Name: "image"},
		Output:      detector.Output{Name: "logit", Kind: detector.Logit},
		Preprocess:  detector.Preprocess{Steps: []detector.Step{{Op: detector.CenterCrop, Size: 32}}, Std: [3]float32{1, 1, 1}},
		Calibration: detector.Calibration{Scale: 1}, Verdict: detector.DefaultBand,
		Labels: [2]string{detector.Real, detector.AI},
	}, graph)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// goodModel is the model of a generation; scoreOf what it answers.
func goodModel(t *testing.T, generation int) []byte {
	return constantModel(t, fmt.Sprint("model ", generation), logitOf(generation), 32, 1)
}

func logitOf(generation int) float32 { return float32(generation)/8 - 3 }

func generationOf(score float64) int {
	return int(math.Round((math.Log(score/(1-score)) + 3) * 8))
}

// asker asks a miner without a pause, and remembers what went wrong.
type asker struct {
	target    synapse.Target
	picture   protocol.ImageSynapse
	installed *atomic.Int64 // the newest generation whose file is in place, or about to be
	serving   *atomic.Int64 // the newest generation that the miner was seen to serve
	asked     *atomic.Int64
}

func (a asker) ask(ctx context.Context, d *synapse.Dendrite) error {
	before := a.serving.Load()
	r := synapse.Query(ctx, d, []synapse.Target{a.target}, a.picture, subnettest.Timeout)[0]
	if r.Err != nil {
		return fmt.Errorf("status %d: %w", r.StatusCode, r.Err)
	}
	after := a.installed.Load()
	if g := int64(generationOf(r.Synapse.Prediction)); g < before || g > after {
		return fmt.Errorf("prediction %v is of model %d; model %d served before and %d was the newest", r.Synapse.Prediction, g, before, after)
	}
	a.asked.Add(1)
	return nil
}

// A model is replaced many times, by good files and by bad ones, while signed
// requests come in over the network: each is answered, by a model that was whole.
func TestModelIsReplacedUnderLoad(t *testing.T) {
	chain := subnettest.StartChain(t, localnet.Config{})
	client := chain.Dial(t)
	hot := chain.Register(t, client, "//miner", "//Bob", 0)
	validator := chain.Register(t, client, "//validator", "//Charlie", 100)
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, goodModel(t, 1), 0o644); err != nil {
		t.Fatal(err)
	}
	m := run(t, miner.Config{
		Signer: hot, Chain: client, IP: "127.0.0.1",
		ModelPath: path, ModelPoll: 20 * time.Millisecond, ModelSettle: 10 * time.Millisecond,
		OpenModel: func(path string) (miner.Detector, error) {
			return detector.Load(path, detector.Options{Threads: 1})
		},
	})

	var installed, serving, asked atomic.Int64
	installed.Store(1)
	serving.Store(1)
	a := asker{
		target:  synapse.Target{Hotkey: hot.AccountID(), Addr: m.Addr()},
		picture: protocol.NewImageSynapse(jpegOf(t, 4)), installed: &installed, serving: &serving, asked: &asked,
	}
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			d := synapse.NewDendrite(synapse.DendriteConfig{Signer: validator})
			defer d.Close()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := a.ask(context.Background(), d); err != nil {
					t.Errorf("request %d: %v", asked.Load(), err)
					return
				}
			}
		})
	}
	defer load.Wait()
	defer close(stop)

	// Each way of putting a file in place: whole by a rename, and as cp does it, over
	// the old one, in pieces.
	rename := func(data []byte) {
		tmp := path + ".new"
		if err := os.WriteFile(tmp, data, 0o644); err != nil {
			t.Error(err)
		}
		if err := os.Rename(tmp, path); err != nil {
			t.Error(err)
		}
	}
	overwrite := func(data []byte) {
		f, err := os.Create(path)
		if err != nil {
			t.Error(err)
			return
		}
		for len(data) > 0 {
			n := min(len(data), 300)
			if _, err := f.Write(data[:n]); err != nil {
				t.Error(err)
			}
			data = data[n:]
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	bad := map[string][]byte{
		"empty":       {},
		"truncated":   goodModel(t, 99)[:500],
		"garbage":     bytes.Repeat([]byte("garbage "), 100),
		"wrong shape": constantModel(t, "wrong shape", 3, 64, 1),
		"two outputs": constantModel(t, "two outputs", 3, 32, 2),
		"no number":   constantModel(t, "no number", float32(math.NaN()), 32, 1),
	}
	generation := 1
	for round := range 2 {
		for name, data := range bad {
			generation++
			installed.Store(int64(generation))
			put := rename
			if (generation+round)%2 == 0 {
				put = overwrite
			}
			put(goodModel(t, generation))
			want := fmt.Sprint("model ", generation)
			subnettest.Until(t, want, func() bool { return m.Stats().Detector == want })
			serving.Store(int64(generation))
			answered, errors := asked.Load(), m.Stats().ModelErrors

			put(data)
			subnettest.Until(t, "refusing the file: "+name, func() bool { return m.Stats().ModelErrors > errors })
			subnettest.Until(t, "answers", func() bool { return t.Failed() || asked.Load() >= answered+8 })
			if got := m.Stats().Detector; got != want {
				t.Errorf("%s: %q serves, not %q", name, got, want)
			}
			if t.Failed() {
				return
			}
		}
	}
	// A file that is taken away changes nothing either.
	if err := os.Remove(path); err != nil {
		t.Error(err)
	}
	answered := asked.Load()
	subnettest.Until(t, "answers without a file", func() bool { return t.Failed() || asked.Load() >= answered+20 })
	s := m.Stats()
	if s.Failed != 0 || s.Reloads < 12 || s.Answered < uint64(asked.Load()) || s.LoopErrors != 0 {
		t.Errorf("stats %+v", s)
	}
	t.Logf("%d requests answered during %d reloads and %d refused files", asked.Load(), s.Reloads, s.ModelErrors)
}
