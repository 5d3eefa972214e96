package torchfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nlpodyssey/gopickle/types"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// wrappers are the names under which training programs keep a model's weights in
// a checkpoint, the likelier first.
var wrappers = []string{"state_dict", "model_state_dict", "model", "netG", "net", "network", "weights", "params", "model_ema"}

// maxDepth is how many dictionaries may lie around the weights.
const maxDepth = 4

// entry is one key of a dictionary; keys that are no strings are left out.
type entry struct {
	key   string
	value any
}

func entries(v any) []entry {
	var all []entry
	add := func(key, value any) {
		if k, ok := key.(string); ok {
			all = append(all, entry{k, value})
		}
	}
	switch d := v.(type) {
	case *types.Dict:
		for _, e := range *d {
			add(e.Key, e.Value)
		}
	case *types.OrderedDict:
		for e := d.List.Front(); e != nil; e = e.Next() {
			add(e.Value.(*types.OrderedDictEntry).Key, e.Value.(*types.OrderedDictEntry).Value)
		}
	}
	return all
}

func isTensor(e entry) bool { _, ok := e.value.(*tensor); return ok }

// stateDict finds the dictionary that holds the model's tensors.
func stateDict(root any) ([]entry, error) {
	for range maxDepth {
		if _, ok := root.(*object); ok {
			return nil, errors.New("it holds a whole Python object; try: torch.save(model.state_dict(), ...)")
		}
		if _, ok := root.(*tensor); ok {
			return nil, errors.New("it holds a single tensor without a name; try: torch.save(model.state_dict(), ...)")
		}
		all := entries(root)
		if slices.ContainsFunc(all, isTensor) {
			return all, nil
		}
		var inner any
		for _, name := range wrappers {
			if i := slices.IndexFunc(all, func(e entry) bool { return e.key == name && len(entries(e.value)) > 0 }); i >= 0 {
				inner = all[i].value
				break
			}
		}
		if inner == nil {
			// Whatever its name, if it is the only one.
			var with []entry
			for _, e := range all {
				if slices.ContainsFunc(entries(e.value), isTensor) {
					with = append(with, e)
				}
			}
			if len(with) != 1 {
				return nil, noWeights(all, with)
			}
			inner = with[0].value
		}
		root = inner
	}
	return nil, errors.New("its weights lie too deep; try: torch.save(model.state_dict(), ...)")
}

func noWeights(all, with []entry) error {
	keys := func(of []entry) string {
		var names []string
		for _, e := range of {
			names = append(names, fmt.Sprintf("%.40q", e.key))
		}
		if len(names) > 10 {
			names = append(names[:10], "...")
		}
		return strings.Join(names, ", ")
	}
	const try = "; try: torch.save(model.state_dict(), ...)"
	if len(with) > 1 {
		return fmt.Errorf("it holds several models: %s%s", keys(with), try)
	}
	if len(all) > 0 {
		return fmt.Errorf("it holds no weights, only %s%s", keys(all), try)
	}
	return errors.New("it holds no weights" + try)
}

// weights reads the tensors of a checkpoint whose file has that many bytes.
func weights(root any, fileSize int) (onnx.Weights, error) {
	all, err := stateDict(root)
	if err != nil {
		return nil, err
	}
	// Tied weights may be there twice; beyond that, tensors of one storage are an
	// attack.
	budget := 2 * fileSize
	w := onnx.Weights{}
	for _, e := range all {
		t, ok := e.value.(*tensor)
		if !ok {
			continue
		}
		if !t.storage.kind.float() {
			if t.storage.kind.width() == 0 {
				return nil, fmt.Errorf("%.80s holds values of the type %.20s; try: save it as float32", e.key, t.storage.kind)
			}
			continue
		}
		if _, twice := w[e.key]; twice {
			return nil, fmt.Errorf("%.80s is there twice", e.key)
		}
		value, err := t.read(budget)
		if err != nil {
			return nil, fmt.Errorf("%.80s: %w", e.key, err)
		}
		budget -= len(value.Data)
		w[e.key] = value
	}
	if len(w) == 0 {
		return nil, errors.New("it holds whole numbers only, no weights")
	}
	return w.WithoutPrefix(), nil
}
