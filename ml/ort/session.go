package ort

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	ortgo "github.com/yalue/onnxruntime_go"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// Errors of sessions.
var (
	// ErrModel says that the runtime cannot use a model: damaged, too new, or with
	// operators that it does not have.
	ErrModel = errors.New("model cannot be used")
	// ErrClosed says that a session was used after Close.
	ErrClosed = errors.New("session is closed")
	// ErrNoDevice says that the asked device is not there.
	ErrNoDevice = errors.New("device is not available")
)

// SessionOptions tune a session.
type SessionOptions struct {
	// Threads is how many cores one run uses; 0 means all that Go uses.
	Threads int
	// Device is "" or "cpu", or "cuda" or "cuda:N" for an NVIDIA card, which needs
	// the library of the package onnxruntime-gpu. There is no silent fall-back.
	Device string
	// Spin lets idle threads of the session wait busily for the next step: a few
	// per cent faster alone, slower where anything else wants the cores.
	Spin bool
	// Unfolded leaves what depends on constants alone to every run, such as turning
	// 8-bit weights into floats: sooner loaded, with less memory, and slower to run.
	Unfolded bool
}

// Session is a loaded model. All methods may be called from many goroutines.
type Session struct {
	inputs, outputs []onnx.Port

	// mu is held for reading during runs, so that Close waits for them.
	mu      sync.RWMutex
	session *ortgo.DynamicAdvancedSession // nil when closed
}

// NewSession loads a model from its file's bytes, which are not needed
// afterwards. Errors are ErrModel, ErrNoDevice, or of the format.
func (r *Runtime) NewSession(model []byte, opts SessionOptions) (*Session, error) {
	signature, err := onnx.Inspect(model)
	if err != nil {
		return nil, err
	}
	if len(signature.Outputs) == 0 || len(signature.Inputs) == 0 {
		return nil, fmt.Errorf("%w: it has %d inputs and %d outputs", ErrModel, len(signature.Inputs), len(signature.Outputs))
	}
	if !hold() {
		return nil, ErrClosed
	}
	session, err := newSession(model, signature, opts)
	if err != nil {
		return nil, errors.Join(err, release())
	}
	returnMemory()
	return &Session{inputs: signature.Inputs, outputs: signature.Outputs, session: session}, nil
}

func newSession(model []byte, signature onnx.Signature, opts SessionOptions) (*ortgo.DynamicAdvancedSession, error) {
	o, err := ortgo.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("preparing a session: %w", err)
	}
	defer func() { _ = o.Destroy() }() // cannot fail
	threads := opts.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	spin := "0"
	if opts.Spin {
		spin = "1"
	}
	err = errors.Join(
		o.SetIntraOpNumThreads(threads),
		o.SetInterOpNumThreads(1),
		// Off: the plan of one block for all intermediate values is kept per input
		// shape, a second copy beside the arena's, and is no faster here.
		o.SetMemPattern(false),
		o.SetLogSeverityLevel(ortgo.LoggingLevelFatal), // failures come back as errors
		o.AddSessionConfigEntry("session.intra_op.allow_spinning", spin),
	)
	if err != nil {
		return nil, fmt.Errorf("preparing a session: %w", err)
	}
	if opts.Unfolded {
		if err := o.AddSessionConfigEntry("optimization.disable_specified_optimizers", "ConstantFolding"); err != nil {
			return nil, fmt.Errorf("preparing a session: %w", err)
		}
	}
	if err := appendDevice(o, opts.Device); err != nil {
		return nil, err
	}
	session, err := ortgo.NewDynamicAdvancedSessionWithONNXData(model, names(signature.Inputs), names(signature.Outputs), o)
	if err != nil {
		return nil, fmt.Errorf("%w (IR version %d, operator set %d): %s", ErrModel, signature.IRVersion, signature.Opset, reason(err))
	}
	return session, nil
}

// appendDevice asks for the execution provider of a device. The CPU's is always
// there. The CUDA path follows onnxruntime-gpu's interface; nothing here has run
// it on a card.
func appendDevice(o *ortgo.SessionOptions, device string) error {
	kind, id, hasID := strings.Cut(device, ":")
	if kind == "" || kind == "cpu" {
		return nil
	}
	if kind != "cuda" {
		return fmt.Errorf("%w: %q; try: cpu, cuda or cuda:0", ErrNoDevice, device)
	}
	if !hasID {
		id = "0"
	}
	missing := func(err error) error {
		return fmt.Errorf("%w: %s: %s; try: %s set to the library of the package onnxruntime-gpu, with CUDA and cuDNN installed",
			ErrNoDevice, device, reason(err), LibraryEnv)
	}
	cuda, err := ortgo.NewCUDAProviderOptions()
	if err != nil {
		return missing(err)
	}
	defer func() { _ = cuda.Destroy() }() // fails only when called twice
	if err := cuda.Update(map[string]string{"device_id": id}); err != nil {
		return missing(err)
	}
	if err := o.AppendExecutionProviderCUDA(cuda); err != nil {
		return missing(err)
	}
	return nil
}

// Inputs gives the model's input ports in the order that Run expects.
func (s *Session) Inputs() []onnx.Port { return s.inputs }

// Outputs gives the model's output ports in the order that Run expects.
func (s *Session) Outputs() []onnx.Port { return s.outputs }

// Run computes outputs from inputs, one value per port in their order. The
// results are written to the outputs' own memory. When ctx ends, the run stops
// at its next operator and ctx's error is returned.
func (s *Session) Run(ctx context.Context, inputs, outputs []Value) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(inputs) != len(s.inputs) || len(outputs) != len(s.outputs) {
		return fmt.Errorf("running a model: %d inputs and %d outputs given, it has %d and %d",
			len(inputs), len(outputs), len(s.inputs), len(s.outputs))
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.session == nil {
		return ErrClosed
	}
	in, out := values(inputs), values(outputs)
	var err error
	if ctx.Done() == nil {
		err = s.session.Run(in, out)
	} else {
		err = s.runUntil(ctx, in, out)
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("running a model: %s", reason(err))
}

func (s *Session) runUntil(ctx context.Context, in, out []ortgo.Value) error {
	opts, err := ortgo.NewRunOptions()
	if err != nil {
		return err
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = opts.Terminate() // nothing to do about a failure: the run ends by itself
	})
	err = s.session.RunWithOptions(in, out, opts)
	if !stop() {
		<-stopped // opts must outlive the call above
	}
	return errors.Join(err, opts.Destroy())
}

// Close waits for running calls and frees the model.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return nil
	}
	err := s.session.Destroy()
	s.session = nil
	return errors.Join(err, release())
}

func names(ports []onnx.Port) []string {
	all := make([]string, len(ports))
	for i, p := range ports {
		all[i] = p.Name
	}
	return all
}

// reason makes one short line of the runtime's message.
func reason(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, prefix := range []string{"Error creating C session from data: ", "Error creating session: ", "Error running network: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	const limit = 300
	if len(text) > limit {
		text = text[:limit] + "..."
	}
	return text
}
