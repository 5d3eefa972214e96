package heif

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

var (
	//go:embed libheif.wasm.gz
	libheifModule []byte
	//go:embed libavif.wasm.gz
	libavifModule []byte

	libheif = library{packed: libheifModule}
	libavif = library{packed: libavifModule}
)

// library is a module, compiled when it is first used.
type library struct {
	packed  []byte
	once    sync.Once
	runtime wazero.Runtime
	code    wazero.CompiledModule
	err     error
}

func (l *library) compile() error {
	l.once.Do(func() {
		ctx := context.Background()
		packed, err := gzip.NewReader(bytes.NewReader(l.packed))
		if err != nil {
			l.err = err
			return
		}
		module, err := io.ReadAll(packed)
		if err != nil {
			l.err = err
			return
		}
		l.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig())
		if _, err := wasi_snapshot_preview1.Instantiate(ctx, l.runtime); err != nil {
			l.err = err
			return
		}
		l.code, l.err = l.runtime.CompileModule(ctx, module)
	})
	return l.err
}

// wasmPage is the unit in which memory grows.
const wasmPage = 1 << 16

// instance is a library at work on one picture, in memory of its own.
type instance struct {
	module api.Module
	memory *memory
}

// start makes an instance whose memory grows to so many bytes at most.
func (l *library) start(limit int64) (*instance, error) {
	if err := l.compile(); err != nil {
		return nil, fmt.Errorf("compiling a decoder: %w", err)
	}
	in := &instance{}
	allocate := experimental.MemoryAllocatorFunc(func(_, _ uint64) experimental.LinearMemory {
		in.memory = newMemory(uint64(limit) &^ (wasmPage - 1))
		return in.memory
	})
	var err error
	// No files, no clock, no output: the libraries get nothing of the machine.
	in.module, err = l.runtime.InstantiateModule(experimental.WithMemoryAllocator(context.Background(), allocate), l.code,
		wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, in.failure(err)
	}
	return in, nil
}

func (in *instance) close() {
	_ = in.module.Close(context.Background())
}

// call calls an exported function of the library.
func (in *instance) call(name string, args ...uint64) (uint32, error) {
	res, err := in.module.ExportedFunction(name).Call(context.Background(), args...)
	if err != nil {
		return 0, in.failure(err)
	}
	return uint32(res[0]), nil
}

// failure says why a call failed.
func (in *instance) failure(err error) error {
	if in.memory != nil && in.memory.refused {
		return ErrMemory
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, firstLine(err))
}

// rejected is the error of a call that returned without success.
func (in *instance) rejected() error {
	if in.memory.refused {
		return ErrMemory
	}
	return fmt.Errorf("%w: the decoder refuses it", ErrCorrupt)
}

func firstLine(err error) error {
	text, _, _ := bytes.Cut([]byte(err.Error()), []byte("\n"))
	return errors.New(string(text))
}

// allocate reserves memory of the library.
func (in *instance) allocate(size int) (uint32, error) {
	at, err := in.call("malloc", uint64(size))
	if err == nil && at == 0 {
		err = in.rejected()
	}
	return at, err
}

// load puts a copy of data, without transparency, into the library's memory.
func (in *instance) load(data []byte) (uint32, error) {
	at, err := in.allocate(len(data))
	if err != nil {
		return 0, err
	}
	if !in.module.Memory().Write(at, data) {
		return 0, ErrMemory
	}
	view, _ := in.view(at, len(data))
	withoutAlpha(view)
	return at, nil
}

// view is a part of the library's memory, good until the next call.
func (in *instance) view(at uint32, size int) ([]byte, error) {
	if size < 0 || size > 1<<32-1 {
		return nil, ErrMemory
	}
	v, ok := in.module.Memory().Read(at, uint32(size))
	if !ok {
		return nil, fmt.Errorf("%w: the decoder gave no picture", ErrCorrupt)
	}
	return v, nil
}

// numbers reads n numbers of four bytes.
func (in *instance) numbers(at uint32, n int) ([]int, error) {
	all := make([]int, n)
	for i := range all {
		v, ok := in.module.Memory().ReadUint32Le(at + 4*uint32(i))
		if !ok {
			return nil, fmt.Errorf("%w: the decoder gave no picture", ErrCorrupt)
		}
		all[i] = int(v)
	}
	return all, nil
}

// memory is an instance's memory: reserved at once, so that it never moves, and
// taken from the system as it is used.
type memory struct {
	all     []byte
	refused bool // the library asked for more
	release func([]byte)
}

// Reallocate implements experimental.LinearMemory.
func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.all)) {
		m.refused = true
		return nil
	}
	return m.all[:size]
}

// Free implements experimental.LinearMemory.
func (m *memory) Free() {
	m.release(m.all)
	m.all = nil
}
