package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/maxmos001/bitmind-subnet/media/transform"
	"github.com/maxmos001/bitmind-subnet/ml/arch"
	"github.com/maxmos001/bitmind-subnet/ml/evaluate"
	"github.com/maxmos001/bitmind-subnet/ml/loader"
	"github.com/maxmos001/bitmind-subnet/ml/onnx"
	"github.com/maxmos001/bitmind-subnet/ml/ort"
	"github.com/maxmos001/bitmind-subnet/ml/report"
)

// Files of a run, in its folder.
const (
	SettingsFile   = "train.json"
	MetricsFile    = "metrics.jsonl"
	CheckpointFile = "checkpoint"
	ReportFile     = "report.html"
	BestModel      = "model_epoch_best" // .onnx is the detector, .safetensors its weights
	LastModel      = "model_epoch_last"
)

// Config is a run: what decides its result, and how it is carried out.
type Config struct {
	Settings     Settings // Data's counts and digest are filled in by Run
	Architecture arch.Architecture
	Init         onnx.Weights // nil for fresh ones
	Teacher      *Teacher     // nil to learn from the labels
	Split        Split
	Folder       string
	// Resume goes on from the folder's checkpoint, if it has one; otherwise what
	// is there is replaced.
	Resume bool

	LibraryPath string // ONNX Runtime's; "" to look for it
	Threads     int    // 0 for all cores
	Device      string // "" or "cpu", "cuda", "cuda:N"
	Workers     int    // cores that read pictures; 0 for all
	// Every is the time between two checkpoints within an epoch; 0 is a minute.
	Every  time.Duration
	Hooks  Hooks
	Logger *slog.Logger // nil discards
}

// Hooks are told how a run goes; any may be nil. They are called from Run's own
// goroutine, one at a time.
type Hooks struct {
	Begin      func(Plan)
	Step       func(r StepResult, position, of int) // batches of the epoch
	Validating func(done, of int)                   // pictures held out
	Epoch      func(EpochResult)
}

// Plan is what Run is going to do.
type Plan struct {
	Settings   Settings
	Parameters int // trained values
	Steps      int // in an epoch
	Epoch      int // counted from 0, where it begins
	Position   int // batches of that epoch that are done
	Resumed    bool
}

// Result is what a run has come to.
type Result struct {
	Folder  string        `json:"folder"`
	Why     string        `json:"why"` // it ended
	Epochs  []EpochResult `json:"epochs"`
	Best    EpochResult   `json:"best"`
	Seconds float64       `json:"seconds"`
}

// Errors of Run.
var (
	// ErrInterrupted says that the context ended and a checkpoint was written.
	ErrInterrupted = errors.New("training was interrupted")
	// ErrSettings says that an experiment exists with other settings.
	ErrSettings = errors.New("the experiment exists with other settings")
)

// Run trains until the epochs are done, the patience has run out, or ctx ends;
// then it finishes the step under way and writes a checkpoint. A run that is
// taken up again, after that or after a kill at any moment, gives the same result
// as one that was never broken off; to the last bit with one thread.
func Run(ctx context.Context, c Config) (_ Result, err error) {
	r, err := newRun(c)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	return r.train(ctx)
}

// run is a run under way.
type run struct {
	Config
	progress
	lock    *os.File
	runtime *ort.Runtime
	stepper *Stepper
	loader  *loader.Loader
	journal *journal
	scorer  *scorer
	record  *recorder
	best    []look // of the best epoch; nil where it was before this part of the run
	began   time.Time
	saving  time.Duration // that the last checkpoint took
	before  float64       // seconds of the parts before this one
	resumed bool
}

func newRun(c Config) (_ *run, err error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Workers <= 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Every <= 0 {
		c.Every = time.Minute
	}
	if err := c.Settings.Check(); err != nil {
		return nil, err
	}
	augment, err := transform.ParseAugmentation(c.Settings.Augment)
	if err != nil {
		return nil, err
	}
	r := &run{Config: c, began: time.Now()}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if err := os.MkdirAll(c.Folder, 0o755); err != nil {
		return nil, fmt.Errorf("making the run's folder: %w", err)
	}
	if r.lock, err = lockFolder(c.Folder); err != nil {
		return nil, err
	}
	r.Settings.Data.describe(c.Split)
	r.Stopper.Patience = c.Settings.Patience
	saved, err := r.prepareFolder()
	if err != nil {
		return nil, err
	}
	if r.runtime, err = ort.Open(ort.Options{LibraryPath: c.LibraryPath, Logger: c.Logger}); err != nil {
		return nil, err
	}
	weights := c.Init
	if weights == nil {
		weights = c.Architecture.Init(c.Settings.Seed)
	}
	r.stepper, err = newStepper(r.runtime, c.Architecture, weights, c.Teacher, c.Settings, r.sessionOptions())
	if err != nil {
		return nil, err
	}
	load := loader.Options{
		Set: c.Split.Train, Size: c.Settings.Size, Batch: c.Settings.Batch, Workers: c.Workers,
		Seed: c.Settings.Seed, Augment: augment, Mean: c.Architecture.Mean, Std: c.Architecture.Std,
		Balance: loader.Balance{Art: c.Settings.ArtShare}, Logger: c.Logger,
	}
	if r.loader, err = loader.New(load); err != nil {
		return nil, err
	}
	if saved != nil {
		if err := r.stepper.restore(saved.vectors, saved.Step); err != nil {
			return nil, fmt.Errorf("going on from %s: %w", filepath.Join(c.Folder, CheckpointFile), err)
		}
		r.progress, r.before, r.resumed = saved.progress, saved.Seconds, true
		r.Stopper.Patience = c.Settings.Patience
	}
	r.journal, err = openJournal(filepath.Join(c.Folder, MetricsFile), r.Log)
	if err != nil {
		return nil, err
	}
	load.Set = c.Split.Held
	if r.scorer, err = newScorer(load, c.Settings.Tiers); err != nil {
		return nil, err
	}
	r.record, err = openRecorder(c.Folder, r.Step)
	return r, err
}

func (r *run) sessionOptions() ort.SessionOptions {
	return ort.SessionOptions{Threads: r.Threads, Device: r.Device}
}

// prepareFolder checks that the folder holds this run or none, and gives its
// checkpoint, if any.
func (r *run) prepareFolder() (*checkpoint, error) {
	path := filepath.Join(r.Folder, SettingsFile)
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		goesOn := r.Resume
		if goesOn {
			if goesOn, err = r.goesOn(path, text); err != nil {
				return nil, err
			}
		}
		if !goesOn {
			if err := r.clear(); err != nil {
				return nil, fmt.Errorf("beginning the run anew: %w", err)
			}
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("reading the run's settings: %w", err)
	}
	text, err = json.MarshalIndent(r.Settings, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding settings: %w", err)
	}
	if err := writeFile(path, append(text, '\n')); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(r.Folder, CheckpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the run's checkpoint: %w", err)
	}
	saved, err := decodeCheckpoint(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w; try: begin anew", filepath.Join(r.Folder, CheckpointFile), err)
	}
	return &saved, nil
}

// goesOn says whether the folder holds this run: one with the stored settings. One
// that came to no checkpoint, let alone a detector, is none: of it nothing is kept.
func (r *run) goesOn(path string, settings []byte) (bool, error) {
	var stored Settings
	if err := json.Unmarshal(settings, &stored); err != nil {
		return false, fmt.Errorf("reading %s: %w; try: another experiment's name", path, err)
	}
	begun := false
	for _, name := range []string{CheckpointFile, LastModel + ".onnx", BestModel + ".onnx"} {
		if _, err := os.Stat(filepath.Join(r.Folder, name)); !errors.Is(err, fs.ErrNotExist) {
			begun = true
		}
	}
	if !begun {
		return false, nil
	}
	difference, err := r.Settings.Difference(stored)
	if err != nil {
		return false, err
	}
	if difference != "" {
		return false, fmt.Errorf("%w in %s: %s", ErrSettings, r.Folder, difference)
	}
	return true, nil
}

// clear removes a run's files: the checkpoint first, so that a kill here leaves
// nothing that would be taken up again.
func (r *run) clear() error {
	names := []string{CheckpointFile, SettingsFile, MetricsFile, ReportFile,
		BestModel + ".onnx", BestModel + ".safetensors", LastModel + ".onnx", LastModel + ".safetensors"}
	for _, name := range names {
		if err := os.Remove(filepath.Join(r.Folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return removeEvents(r.Folder)
}

func (r *run) close() error {
	var errs []error
	if r.record != nil {
		errs = append(errs, r.record.close())
	}
	if r.journal != nil {
		errs = append(errs, r.journal.close())
	}
	if r.stepper != nil {
		errs = append(errs, r.stepper.Close())
	}
	if r.runtime != nil {
		errs = append(errs, r.runtime.Close())
	}
	if r.lock != nil {
		errs = append(errs, r.lock.Close())
	}
	return errors.Join(errs...)
}

func (r *run) train(ctx context.Context) (Result, error) {
	if r.Hooks.Begin != nil {
		r.Hooks.Begin(Plan{r.Settings, parameterCount(r.stepper), r.loader.Steps(), r.Epoch, r.Position, r.resumed})
	}
	for r.over() == "" {
		if err := r.epoch(ctx); err != nil {
			return r.result(), err
		}
	}
	r.Done = r.over()
	if err := r.save(); err != nil {
		return r.result(), err
	}
	if err := r.page(ctx); err != nil {
		if ctx.Err() != nil {
			return r.result(), r.interrupted()
		}
		return r.result(), err
	}
	return r.result(), nil
}

// over says why the run has ended, "" if it has not.
func (r *run) over() string {
	switch {
	case r.Stopper.Stop():
		return fmt.Sprintf("no better epoch in the last %d", r.Stopper.Waited)
	case r.Epoch >= r.Settings.Epochs:
		return fmt.Sprintf("all %d epochs are done", r.Settings.Epochs)
	}
	return ""
}

func (r *run) result() Result {
	res := Result{Folder: r.Folder, Why: r.Done, Epochs: r.History, Seconds: r.seconds()}
	if r.Stopper.Seen {
		res.Best = r.History[r.Stopper.BestEpoch]
	}
	return res
}

func (r *run) seconds() float64 { return r.before + time.Since(r.began).Seconds() }

// epoch does what is left of the current epoch, and ends it.
func (r *run) epoch(ctx context.Context) error {
	of := r.loader.Steps()
	saved := time.Now()
	if r.Position < of {
		for batch, err := range r.loader.Epoch(ctx, r.Epoch, r.Position) {
			if err == nil {
				// A failed step leaves nothing worth a checkpoint.
				if err := r.step(batch, of); err != nil {
					return err
				}
			}
			if ctx.Err() != nil {
				return r.interrupted()
			}
			if err != nil {
				return err
			}
			// No more than a twentieth of the time goes into checkpoints.
			if time.Since(saved) >= max(r.Every, 20*r.saving) && r.Position < of {
				if err := r.save(); err != nil {
					return err
				}
				saved = time.Now()
			}
		}
	}
	// So that a long look at the pictures held out does not repeat the epoch.
	if err := r.save(); err != nil {
		return err
	}
	if err := r.validate(ctx); err != nil {
		if ctx.Err() != nil {
			return r.interrupted()
		}
		return err
	}
	return nil
}

func (r *run) step(batch *loader.Batch, of int) error {
	rate := r.Settings.Schedule.Rate(r.Settings.Rate, r.Step, of, r.Settings.Epochs)
	outcome, err := r.stepper.Run(batch.Pixels, batch.Labels, rate)
	if err != nil {
		return err
	}
	r.Step++
	r.Position++
	r.LossSum += outcome.Loss
	result := StepResult{Step: r.Step, Epoch: r.Epoch + 1, Loss: outcome.Loss, Rate: rate, Gradient: outcome.Gradient}
	if err := r.journal.append(result); err != nil {
		return err
	}
	r.record.step(result)
	if r.Hooks.Step != nil {
		r.Hooks.Step(result, r.Position, of)
	}
	return nil
}

func (r *run) interrupted() error {
	if err := r.save(); err != nil {
		return err
	}
	return fmt.Errorf("%w after step %d, in epoch %d: %w", ErrInterrupted, r.Step, r.Epoch+1, context.Canceled)
}

// save writes a checkpoint of the moment.
func (r *run) save() error {
	if err := errors.Join(r.journal.sync(), r.record.flush()); err != nil {
		return err
	}
	began := time.Now()
	defer func() { r.saving = time.Since(began) }()
	r.Log, r.Seconds = r.journal.length, r.seconds()
	data, err := checkpoint{r.progress, r.stepper.state()}.encode()
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(r.Folder, CheckpointFile), data)
}

// validate ends an epoch: it looks at the pictures held out with the graph as it
// would be shipped, keeps it, and says whether it is the best.
func (r *run) validate(ctx context.Context) error {
	e := ended{}
	var err error
	if e.model, e.weights, err = r.export(); err != nil {
		return err
	}
	if e.all, err = r.score(ctx, e.model); err != nil {
		return err
	}
	if e.judged, err = judge(e.all, uncalibrated); err != nil {
		return err
	}
	if e.worst, err = mistakes(ctx, e.all, e.judged, r.Settings, r.Split.Held); err != nil {
		return err
	}
	if err := r.conclude(e); err != nil {
		return err
	}
	return r.page(ctx)
}

// ended is an epoch that is over, with what was seen of the pictures held out.
type ended struct {
	model   []byte
	weights onnx.Weights
	all     []look
	judged  []evaluate.Judgement // uncalibrated
	worst   []report.Mistake
}

// conclude takes an epoch into the run's state and files. Nothing in it can be
// interrupted half-way.
func (r *run) conclude(e ended) error {
	held, err := evaluate.Summarise(e.judged)
	if err != nil {
		return err
	}
	s, steps := r.Settings, r.loader.Steps()
	result := EpochResult{
		Epoch: r.Epoch + 1, Step: r.Step, Loss: r.LossSum / float64(steps),
		Rate: s.Schedule.Rate(s.Rate, r.Step-1, steps, s.Epochs),
		Held: held.Metrics, HeldLoss: r.heldLoss(e.all), TierAUC: map[transform.Tier]evaluate.Value{},
	}
	for _, tier := range s.Tiers {
		part, err := evaluate.Summarise(inTier(e.all, e.judged, tier))
		if err != nil {
			return err
		}
		result.TierAUC[tier] = part.ROCAUC
	}
	value := float64(held.ROCAUC)
	if s.Select == SelectLoss {
		value = -result.HeldLoss
	}
	result.Best = r.Stopper.Observe(r.Epoch, value)
	if err := r.keep(e, result); err != nil {
		return err
	}
	if err := r.journal.append(result); err != nil {
		return err
	}
	r.record.epoch(result, e)
	r.History = append(r.History, result)
	r.Epoch, r.Position, r.LossSum = r.Epoch+1, 0, 0
	if result.Best {
		r.best = e.all
	}
	if err := r.save(); err != nil {
		return err
	}
	if r.Hooks.Epoch != nil {
		r.Hooks.Epoch(result)
	}
	return nil
}

// heldLoss is the loss of the pictures held out.
func (r *run) heldLoss(all []look) float64 {
	labels, logits := labelsAndLogits(all)
	targets := make([]float64, len(labels))
	for i, l := range labels {
		targets[i] = float64(l)
	}
	return r.Settings.Loss.Value(logits, targets)
}
