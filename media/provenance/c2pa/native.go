package c2pa

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// native is the library's C interface, as far as it is used (c2pa.h of c2pa-rs).
// Objects are never freed: the process that made them ends.
type native struct {
	version         func() unsafe.Pointer
	lastError       func() unsafe.Pointer
	createStream    func(context, read, seek, write, flush uintptr) uintptr
	settingsNew     func() uintptr
	settingsUpdate  func(settings uintptr, text, format string) int32
	builderNew      func() uintptr
	builderSettings func(builder, settings uintptr) int32
	builderBuild    func(builder uintptr) uintptr
	readerNew       func(context uintptr) uintptr
	readerStream    func(reader uintptr, format string, stream uintptr) uintptr
	readerJSON      func(reader uintptr) unsafe.Pointer
	readerCRJSON    func(reader uintptr) unsafe.Pointer
}

// load opens the library.
func load(path string) (*native, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, err
	}
	n := &native{}
	for name, function := range map[string]any{
		"c2pa_version":                      &n.version,
		"c2pa_error":                        &n.lastError,
		"c2pa_create_stream":                &n.createStream,
		"c2pa_settings_new":                 &n.settingsNew,
		"c2pa_settings_update_from_string":  &n.settingsUpdate,
		"c2pa_context_builder_new":          &n.builderNew,
		"c2pa_context_builder_set_settings": &n.builderSettings,
		"c2pa_context_builder_build":        &n.builderBuild,
		"c2pa_reader_from_context":          &n.readerNew,
		"c2pa_reader_with_stream":           &n.readerStream,
		"c2pa_reader_json":                  &n.readerJSON,
		"c2pa_reader_crjson":                &n.readerCRJSON,
	} {
		address, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("it has no function %s: another library, or an old one", name)
		}
		purego.RegisterFunc(function, address)
	}
	return n, nil
}

// text copies a C string, which the library keeps.
func text(p unsafe.Pointer) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}

// failed makes the library's last error one of ours.
func (n *native) failed(what string) error {
	return fmt.Errorf("%s: %s", what, text(n.lastError()))
}

// settings are those of the library: what it checks, and that it stays off the
// network.
func settings(trustList string) (string, error) {
	type object = map[string]any
	s := object{
		"version": 1,
		"core":    object{"allowed_network_hosts": []string{}},
		"verify": object{
			"verify_after_reading":  true,
			"verify_trust":          true,
			"remote_manifest_fetch": false,
			"ocsp_fetch":            false,
		},
	}
	if trustList != "" {
		s["trust"] = object{"trust_anchors": trustList}
	}
	out, err := json.Marshal(s)
	return string(out), err
}

// errUnreadable marks a manifest that the library cannot read, as against a
// failure to have it read.
var errUnreadable = errors.New("the library cannot read the manifest")

// read checks a picture's manifest and returns the library's two accounts of it.
func (n *native) read(data []byte, mediaType, trustList string) (report, certificates string, err error) {
	config, err := settings(trustList)
	if err != nil {
		return "", "", err
	}
	s := n.settingsNew()
	if s == 0 || n.settingsUpdate(s, config, "json") != 0 {
		return "", "", n.failed("settings")
	}
	builder := n.builderNew()
	if builder == 0 || n.builderSettings(builder, s) != 0 {
		return "", "", n.failed("settings")
	}
	context := n.builderBuild(builder)
	if context == 0 {
		return "", "", n.failed("context")
	}
	reader := n.readerNew(context)
	if reader == 0 {
		return "", "", n.failed("reader")
	}
	stream := n.stream(data)
	if stream == 0 {
		return "", "", n.failed("stream")
	}
	reader = n.readerStream(reader, mediaType, stream)
	runtime.KeepAlive(data)
	if reader == 0 {
		return "", "", fmt.Errorf("%w: %s", errUnreadable, text(n.lastError()))
	}
	report = text(n.readerJSON(reader))
	if report == "" {
		return "", "", n.failed("report")
	}
	return report, text(n.readerCRJSON(reader)), nil
}

// stream makes data a stream of the library, which calls back to read it.
func (n *native) stream(data []byte) uintptr {
	r := bytes.NewReader(data)
	read := purego.NewCallback(func(_ uintptr, to *byte, size int) int {
		if to == nil || size <= 0 {
			return -1
		}
		got, err := r.Read(unsafe.Slice(to, size))
		if err != nil && err != io.EOF {
			return -1
		}
		return got
	})
	seek := purego.NewCallback(func(_ uintptr, offset, whence int) int {
		// A C int: its upper half is not defined.
		at, err := r.Seek(int64(offset), int(int32(whence)))
		if err != nil {
			return -1
		}
		return int(at)
	})
	write := purego.NewCallback(func(uintptr, *byte, int) int { return -1 })
	flush := purego.NewCallback(func(uintptr) int { return 0 })
	return n.createStream(0, read, seek, write, flush)
}

// libraryVersion is "c2pa 0.91.3" of "c2pa-c-ffi/0.91.3 c2pa-rs/0.91.3".
func (n *native) libraryVersion() string {
	all := text(n.version())
	first, _, _ := strings.Cut(all, " ")
	if _, number, ok := strings.Cut(first, "/"); ok {
		return "c2pa " + number
	}
	return "c2pa " + all
}
