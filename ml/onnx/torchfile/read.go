package torchfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"os"
	"path"
	"strings"

	"github.com/nlpodyssey/gopickle/types"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// ErrFormat says that a file is not a PyTorch checkpoint that we can read.
var ErrFormat = errors.New("not a readable PyTorch checkpoint")

// maxFile bounds what ReadFile takes into memory, in bytes.
const maxFile = 8 << 30

// ReadFile reads the weights in a file: a PyTorch checkpoint of either form, or
// safetensors, whatever its name.
func ReadFile(name string) (onnx.Weights, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf("%s has %d bytes; at most %d can be read", name, info.Size(), int64(maxFile))
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading weights: %w", err)
	}
	read := Read
	if isSafetensors(data) {
		read = onnx.ReadSafetensors
	}
	w, err := read(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return w, nil
}

// Is says whether a file that begins like this is one of those that ReadFile
// reads; 16 bytes suffice.
func Is(start []byte) bool {
	return bytes.HasPrefix(start, zipMagic) || len(start) > 0 && start[0] == pickleMagic || isSafetensors(start)
}

var zipMagic = []byte("PK\x03\x04")

const pickleMagic = 0x80

// isSafetensors: the length of a JSON object, and the object.
func isSafetensors(data []byte) bool { return len(data) > 8 && data[8] == '{' && data[7] == 0 }

// Read reads the weights in a checkpoint: a dictionary of tensors, alone or
// within another under state_dict, model, netG or the like. Prefixes that all
// names have ("module.", "model.", "_orig_mod.") are dropped; half, bfloat16 and
// double become float32; whole numbers, such as the counters of batch norms, are
// left out. Errors are ErrFormat.
func Read(data []byte) (onnx.Weights, error) {
	root, err := load(data)
	if err == nil {
		var w onnx.Weights
		if w, err = weights(root, len(data)); err == nil {
			return w, nil
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrFormat, err)
}

func load(data []byte) (any, error) {
	switch {
	case bytes.HasPrefix(data, zipMagic):
		return loadZip(data)
	case len(data) > 262 && string(data[257:262]) == "ustar":
		return nil, errors.New("it is of the form that PyTorch wrote before 0.1.10; try: save it again with a newer PyTorch")
	case len(data) > 0 && data[0] == pickleMagic:
		return loadLegacy(data)
	}
	return nil, errors.New("it begins like none; try: a file made by torch.save, or .safetensors")
}

// loadZip reads the form of PyTorch 1.6 and later: a zip of stored, uncompressed
// files NAME/data.pkl and NAME/data/0, 1 ... for the storages.
func loadZip(data []byte) (any, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("it is cut off or damaged: %w", err)
	}
	files := map[string]*zip.File{}
	root := ""
	for _, f := range archive.File {
		files[f.Name] = f
		if path.Base(f.Name) == "data.pkl" && (root == "" || len(f.Name) < len(root)) {
			root = f.Name
		}
	}
	if root == "" {
		return nil, errors.New("it is a zip without data.pkl; try: a file made by torch.save")
	}
	root = strings.TrimSuffix(root, "data.pkl")
	if files[root+"constants.pkl"] != nil {
		return nil, errors.New("it is a TorchScript program; try: torch.save(model.state_dict(), ...)")
	}
	stored := func(name string) ([]byte, error) {
		f := files[root+name]
		if f == nil {
			return nil, fmt.Errorf("%s is missing", name)
		}
		offset, err := f.DataOffset()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if f.Method != zip.Store || f.Flags&1 != 0 || f.CompressedSize64 != f.UncompressedSize64 {
			return nil, fmt.Errorf("%s is compressed, which PyTorch never does; try: the file as torch.save wrote it", name)
		}
		if offset < 0 || offset > int64(len(data)) || f.CompressedSize64 > uint64(int64(len(data))-offset) {
			return nil, fmt.Errorf("%s is cut off", name)
		}
		part := data[offset:][:f.CompressedSize64]
		if crc32.ChecksumIEEE(part) != f.CRC32 {
			return nil, fmt.Errorf("%s is damaged: its checksum is wrong", name)
		}
		return part, nil
	}
	if files[root+"byteorder"] != nil {
		if order, err := stored("byteorder"); err != nil || string(order) != "little" {
			return nil, fmt.Errorf("its byte order is %.10q; try: save it again on another machine", order)
		}
	}
	program, err := stored("data.pkl")
	if err != nil {
		return nil, err
	}
	storages := map[string]*storage{}
	value, _, err := unpickle(program, func(id any) (any, error) {
		key, s, err := storageID(id)
		if err != nil || storages[key] != nil {
			return storages[key], err
		}
		if s.kind.width() > 0 {
			if s.raw, err = stored("data/" + key); err != nil {
				return nil, err
			}
			if len(s.raw)/s.kind.width() < s.size {
				return nil, fmt.Errorf("data/%s has %d bytes, too few for %d values", key, len(s.raw), s.size)
			}
		}
		storages[key] = s
		return s, nil
	})
	return value, err
}

// storageID reads a reference: "storage", type, key, device, number of values
// and, in the legacy form, a part of it that is meant.
func storageID(id any) (string, *storage, error) {
	t, ok := id.(*types.Tuple)
	if !ok || t.Len() < 5 || t.Get(0) != "storage" {
		return "", nil, errors.New("a reference that is none to a storage")
	}
	kind, okKind := t.Get(1).(storageType)
	key, okKey := t.Get(2).(string)
	size, okSize := t.Get(4).(int)
	if !okKind || !okKey || !okSize || size < 0 {
		return "", nil, errors.New("a reference to a storage that is none")
	}
	return key, &storage{kind: kind, size: size}, nil
}

// legacyMagic and legacyVersion begin a file of the older form, each a pickle.
var legacyMagic, _ = new(big.Int).SetString("1950a86a20f9469cfc6c", 16)

const legacyVersion = 1001

// loadLegacy reads the older form: pickles of a magic number, a version, facts
// about the machine, the checkpoint and the keys of its storages, and then the
// storages, each behind its number of values.
func loadLegacy(data []byte) (any, error) {
	rest := data
	next := func(persistent func(any) (any, error)) (any, error) {
		value, size, err := unpickle(rest, persistent)
		rest = rest[size:]
		return value, err
	}
	if magic, err := next(nil); err != nil {
		return nil, err
	} else if n, ok := magic.(*big.Int); !ok || n.Cmp(legacyMagic) != 0 {
		return nil, errors.New("it is a pickle of something else; try: a file made by torch.save")
	}
	if version, err := next(nil); err != nil {
		return nil, err
	} else if version != legacyVersion {
		return nil, fmt.Errorf("version %v of the format; version %d is known", version, legacyVersion)
	}
	machine, err := next(nil)
	if err != nil {
		return nil, err
	}
	if facts, ok := machine.(*types.Dict); ok {
		for _, e := range *facts {
			if e.Key == "little_endian" && e.Value == false {
				return nil, errors.New("its byte order is big-endian; try: save it again on another machine")
			}
		}
	}
	storages := map[string]*storage{}
	views := map[*storage]view{}
	value, err := next(func(id any) (any, error) {
		if t, ok := id.(*types.Tuple); ok && t.Len() > 1 && t.Get(0) == "module" {
			return t.Get(1), nil // a class and its source text
		}
		key, s, err := storageID(id)
		if err != nil {
			return nil, err
		}
		if storages[key] == nil {
			storages[key] = s
		}
		part, err := viewOf(id.(*types.Tuple), storages[key])
		if part == nil || err != nil {
			return storages[key], err
		}
		s = &storage{kind: s.kind, size: part.size}
		views[s] = *part
		return s, nil
	})
	if err != nil {
		return nil, err
	}
	if rest, err = legacyStorages(rest, storages); err != nil {
		return nil, err
	}
	for s, v := range views {
		if v.of.raw == nil || v.offset > v.of.size || v.size > v.of.size-v.offset {
			return nil, errors.New("a part of a storage lies outside of it")
		}
		s.raw = v.of.raw[v.offset*s.kind.width():]
	}
	return value, nil
}

// view is a part of a storage, in values: how old versions wrote storages that
// overlap.
type view struct {
	of           *storage
	offset, size int
}

func viewOf(id *types.Tuple, of *storage) (*view, error) {
	if id.Len() < 6 || id.Get(5) == nil {
		return nil, nil
	}
	t, ok := id.Get(5).(*types.Tuple)
	if ok && t.Len() == 3 {
		offset, okOffset := t.Get(1).(int)
		size, okSize := t.Get(2).(int)
		if okOffset && okSize && offset >= 0 && size >= 0 {
			return &view{of, offset, size}, nil
		}
	}
	return nil, errors.New("a part of a storage that is none")
}

// legacyStorages finds the values behind the last pickle.
func legacyStorages(rest []byte, storages map[string]*storage) ([]byte, error) {
	value, size, err := unpickle(rest, nil)
	if err != nil {
		return nil, err
	}
	rest = rest[size:]
	keys, ok := value.(*types.List)
	if !ok {
		return nil, errors.New("the list of its storages is missing")
	}
	for _, key := range *keys {
		name, _ := key.(string)
		s := storages[name]
		if s == nil || s.kind.width() == 0 {
			return nil, fmt.Errorf("the storage %.20q is unknown, or of a type that is", name)
		}
		if len(rest) < 8 {
			return nil, errors.New("it is cut off")
		}
		n := binary.LittleEndian.Uint64(rest)
		rest = rest[8:]
		if n != uint64(s.size) || n > uint64(len(rest)/s.kind.width()) {
			return nil, fmt.Errorf("it is cut off or damaged: a storage of %d values, %d were announced", n, s.size)
		}
		s.raw, rest = rest[:s.size*s.kind.width()], rest[s.size*s.kind.width():]
	}
	return rest, nil
}
