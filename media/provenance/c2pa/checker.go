package c2pa

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/maxmos001/bitmind-subnet/media/provenance"
)

// Options say how manifests are checked.
type Options struct {
	// Command starts a process that does nothing but call Child: this program and
	// the arguments that make it do so. Required.
	Command []string
	// Env is what to add to the process's environment, which is otherwise empty.
	Env []string
	// LibraryPath names the library; empty: it is looked for, see the package
	// comment.
	LibraryPath string
	// TrustList holds the certificates, in PEM, of the authorities whose signers are
	// trusted. Empty: whether a signer is trusted is unknown.
	TrustList []byte
	// Timeout is the most that one check may take; 0: 10 seconds.
	Timeout time.Duration
	// Concurrency is how many checks run at once; 0: 2. Others wait.
	Concurrency int
}

// Checker checks manifests. It is safe for concurrent use and holds nothing that
// needs closing.
type Checker struct {
	opts    Options
	library string
	name    string
	slots   *semaphore.Weighted
}

var _ provenance.Checker = (*Checker)(nil)

// Open finds the library and makes sure that it can be loaded. An error that is
// ErrNotInstalled says that it is not there or not usable; every other one that
// the options are wrong or the process cannot be started.
func Open(ctx context.Context, opts Options) (*Checker, error) {
	if len(opts.Command) == 0 {
		return nil, errors.New("c2pa: no command to check with")
	}
	if opts.Timeout == 0 {
		opts.Timeout = 10 * time.Second
	}
	if opts.Concurrency == 0 {
		opts.Concurrency = 2
	}
	if err := checkTrustList(opts.TrustList); err != nil {
		return nil, err
	}
	library, err := opts.search().find()
	if err != nil {
		return nil, err
	}
	c := &Checker{opts: opts, library: library, slots: semaphore.NewWeighted(int64(opts.Concurrency))}
	a, err := c.ask(ctx, job{Library: library}, nil)
	if err != nil {
		return nil, err
	}
	if a.NotInstalled != "" {
		return nil, fmt.Errorf("%w: %s cannot be loaded: %s%s", ErrNotInstalled, library, a.NotInstalled, howToGet)
	}
	c.name = a.Version
	return c, nil
}

// checkTrustList refuses what is not a list of certificates.
func checkTrustList(list []byte) error {
	if len(list) == 0 {
		return nil
	}
	if len(list) > maxTrustList {
		return fmt.Errorf("trust list of %d bytes, limit %d; try: only the authorities' own certificates", len(list), maxTrustList)
	}
	found := 0
	for rest := list; ; found++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil || block.Type != "CERTIFICATE" {
			return fmt.Errorf("trust list: its part %d, %q, is no certificate; try: a PEM file of certificates only", found+1, block.Type)
		}
	}
	if found == 0 {
		return errors.New("trust list without a certificate; try: a PEM file, which has lines BEGIN CERTIFICATE")
	}
	return nil
}

// Name is the library's name and version.
func (c *Checker) Name() string { return c.name }

// Check checks the manifest of a picture of at most 128 MiB. See
// provenance.Checker.
func (c *Checker) Check(ctx context.Context, data []byte, mediaType string) (provenance.C2PA, error) {
	if len(data) > maxBytes {
		return provenance.C2PA{}, fmt.Errorf("the file has %d bytes, limit %d", len(data), maxBytes)
	}
	a, err := c.ask(ctx, job{Library: c.library, MediaType: mediaType, TrustList: string(c.opts.TrustList), Bytes: len(data)}, data)
	if err != nil {
		return provenance.C2PA{}, err
	}
	switch {
	case a.Unreadable != "":
		return provenance.C2PA{Status: provenance.StatusInvalid, Trusted: provenance.TrustUnknown, Errors: []string{codeGeneral}}, nil
	case a.NotInstalled != "":
		return provenance.C2PA{}, errors.New(a.NotInstalled)
	case a.Error != "":
		return provenance.C2PA{}, errors.New(a.Error)
	}
	return convert(a.Report, a.Certificates, len(c.opts.TrustList) > 0)
}

// ask starts a process for one job and waits for its answer.
func (c *Checker) ask(ctx context.Context, j job, data []byte) (answer, error) {
	if err := c.slots.Acquire(ctx, 1); err != nil {
		return answer{}, err
	}
	defer c.slots.Release(1)
	limited, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()

	line, err := json.Marshal(j)
	if err != nil {
		return answer{}, err
	}
	cmd := exec.CommandContext(limited, c.opts.Command[0], c.opts.Command[1:]...)
	cmd.Env = append([]string{}, c.opts.Env...) // not nil, which would be this process's own
	cmd.Dir = os.TempDir()
	cmd.Stdin = io.MultiReader(bytes.NewReader(append(line, '\n')), bytes.NewReader(data))
	stdout, stderr := &limitedBuffer{limit: maxAnswer}, &limitedBuffer{limit: 64 << 10}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = time.Second // for pipes that outlive the process
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return answer{}, ctx.Err()
	case stdout.over:
		return answer{}, fmt.Errorf("the library's report has more than %d bytes", maxAnswer)
	case limited.Err() != nil:
		return answer{}, fmt.Errorf("it took more than %v", c.opts.Timeout)
	case err != nil:
		return answer{}, fmt.Errorf("the checking process failed (%w): %s", err, lastLine(string(stderr.kept)))
	}
	var a answer
	if err := json.Unmarshal(stdout.kept, &a); err != nil {
		return answer{}, fmt.Errorf("the checking process's answer: %w", err)
	}
	return a, nil
}

// limitedBuffer keeps what is written to it until it is too much, which ends the
// writing process: nothing reads its pipe any more.
type limitedBuffer struct {
	kept  []byte // no bytes.Buffer: its ReadFrom would go past the limit
	limit int
	over  bool
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if len(p) > b.limit-len(b.kept) {
		b.over = true
		return 0, errors.New("too much output")
	}
	b.kept = append(b.kept, p...)
	return len(p), nil
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
