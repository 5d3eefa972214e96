package c2pa

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sys/unix"
)

// job is what the child is asked, one line of JSON before the picture's bytes.
type job struct {
	Library   string `json:"library"`
	MediaType string `json:"media_type"` // empty: only tell the version
	TrustList string `json:"trust_list,omitempty"`
	Bytes     int    `json:"bytes"` // of the picture
}

// answer is what it says, one JSON document.
type answer struct {
	Version string `json:"version"`
	// Report and Certificates are the library's accounts of the manifest.
	Report       json.RawMessage `json:"report,omitempty"`
	Certificates json.RawMessage `json:"certificates,omitempty"`
	// NotInstalled, Unreadable and Error say what went wrong: with the library, with
	// the manifest, with anything else.
	NotInstalled string `json:"not_installed,omitempty"`
	Unreadable   string `json:"unreadable,omitempty"`
	Error        string `json:"error,omitempty"`
}

// The limits of the child.
const (
	maxBytes     = 128 << 20 // of a picture
	maxAnswer    = 8 << 20   // of an answer
	maxTrustList = 4 << 20
	childMemory  = 1 << 30 // of data and heap
	childCPU     = 30      // seconds of processor time
	childFiles   = 32
)

// Child is the process that checks one picture: it reads a job from stdin, writes
// the answer to stdout, and returns what kept it from doing that. The process must
// do nothing else, for it gets limits that it can't lose again.
func Child(stdin io.Reader, stdout io.Writer) error {
	if err := limitProcess(); err != nil {
		return err
	}
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	var j job
	if err := json.Unmarshal(line, &j); err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	if j.Bytes < 0 || j.Bytes > maxBytes {
		return fmt.Errorf("a picture of %d bytes", j.Bytes)
	}
	data := make([]byte, j.Bytes)
	if _, err := io.ReadFull(in, data); err != nil {
		return fmt.Errorf("reading the picture: %w", err)
	}
	return json.NewEncoder(stdout).Encode(work(j, data))
}

// limitProcess bounds what this process may use from now on.
func limitProcess() error {
	for resource, limit := range map[int]uint64{
		unix.RLIMIT_DATA: childMemory, unix.RLIMIT_CPU: childCPU, unix.RLIMIT_NOFILE: childFiles,
		unix.RLIMIT_CORE: 0, unix.RLIMIT_FSIZE: 0,
	} {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			return fmt.Errorf("setting limit %d: %w", resource, err)
		}
	}
	return nil
}

// work does the job.
func work(j job, data []byte) answer {
	// The library keeps its last error by thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n, err := load(j.Library)
	if err != nil {
		return answer{NotInstalled: err.Error()}
	}
	a := answer{Version: n.libraryVersion()}
	if j.MediaType == "" {
		return a
	}
	report, certificates, err := n.read(data, j.MediaType, j.TrustList)
	switch {
	case errors.Is(err, errUnreadable):
		a.Unreadable = err.Error()
	case err != nil:
		a.Error = err.Error()
	case !json.Valid([]byte(report)):
		a.Error = "the library's report is not JSON"
	default:
		a.Report = json.RawMessage(report)
		if json.Valid([]byte(certificates)) {
			a.Certificates = json.RawMessage(certificates)
		}
	}
	return a
}
