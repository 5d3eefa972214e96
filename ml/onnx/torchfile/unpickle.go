package torchfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/types"
)

// unpickle runs the pickle at the start of data and gives its value and its
// length. persistent resolves references to storages; nil refuses them.
func unpickle(data []byte, persistent func(id any) (any, error)) (value any, size int, err error) {
	size, err = scan(data)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		// The unpickler takes some things for granted, such as that keys of
		// dictionaries can be hashed.
		if r := recover(); r != nil {
			value, err = nil, fmt.Errorf("its list of contents is damaged: %v", r)
		}
	}()
	u := pickle.NewUnpickler(bytes.NewReader(data[:size]))
	u.FindClass = findClass
	u.PersistentLoad = persistent
	value, err = u.Load()
	if err != nil {
		return nil, 0, fmt.Errorf("its list of contents is damaged: %w", shorten(err))
	}
	return value, size, nil
}

// shorten keeps the unpickler from quoting half a file.
func shorten(err error) error {
	const limit = 120
	if text := err.Error(); len(text) > limit {
		return errors.New(text[:limit] + " and so on")
	}
	return err
}

// findClass gives what may be called. The unpickler itself knows OrderedDict,
// object and copy_reg._reconstructor.
func findClass(module, name string) (any, error) {
	switch module {
	case "torch._utils":
		switch name {
		case "_rebuild_tensor", "_rebuild_tensor_v2":
			return rebuildTensor{}, nil
		case "_rebuild_parameter", "_rebuild_parameter_with_state":
			return rebuildParameter{}, nil
		}
	case "torch", "torch.cuda", "torch.storage":
		if name == "Size" {
			return makeTuple{}, nil
		}
		if kind, ok := strings.CutSuffix(name, "Storage"); ok {
			return storageType(kind), nil
		}
	case "collections":
		if name == "defaultdict" {
			return makeDict{}, nil
		}
	case "builtins", "__builtin__":
		if name == "dict" {
			return makeDict{}, nil
		}
	}
	return &object{}, nil
}

// storageType is the PyTorch class of a storage without its suffix: Float, Half...
type storageType string

// object stands for a class, or a value, that means nothing to us. It takes
// everything and keeps nothing.
type object struct{}

func (o *object) Call(...any) (any, error)  { return &object{}, nil }
func (o *object) PyNew(...any) (any, error) { return &object{}, nil }
func (o *object) PySetState(any) error      { return nil }
func (o *object) PyDictSet(any, any) error  { return nil }
func (o *object) Set(any, any)              {}
func (o *object) Append(any)                {}
func (o *object) Add(any)                   {}

type makeTuple struct{}

func (makeTuple) Call(args ...any) (any, error) {
	if len(args) == 1 {
		if t, ok := args[0].(*types.Tuple); ok {
			return t, nil
		}
	}
	return types.NewTupleFromSlice(nil), nil
}

type makeDict struct{}

func (makeDict) Call(...any) (any, error) { return types.NewDict(), nil }

type rebuildTensor struct{}

// Call takes storage, offset, size, stride and, of no meaning here, whether it
// needs a gradient, hooks and metadata.
func (rebuildTensor) Call(args ...any) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("a tensor of %d arguments", len(args))
	}
	t := &tensor{}
	var ok [4]bool
	t.storage, ok[0] = args[0].(*storage)
	t.offset, ok[1] = args[1].(int)
	t.size, ok[2] = ints(args[2])
	t.stride, ok[3] = ints(args[3])
	if ok != [4]bool{true, true, true, true} {
		return nil, fmt.Errorf("a tensor of %T, %T, %T and %T", args[0], args[1], args[2], args[3])
	}
	return t, nil
}

type rebuildParameter struct{}

// Call takes the tensor, whether it needs a gradient, hooks and state.
func (rebuildParameter) Call(args ...any) (any, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("a parameter without a tensor")
	}
	return args[0], nil
}

func ints(v any) ([]int, bool) {
	t, ok := v.(*types.Tuple)
	if !ok || t.Len() > maxRank {
		return nil, false
	}
	out := make([]int, t.Len())
	for i := range out {
		if out[i], ok = t.Get(i).(int); !ok {
			return nil, false
		}
	}
	return out, true
}
