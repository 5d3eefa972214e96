package neuron

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// ErrStateInUse is returned by LockState for a folder that another process holds.
var ErrStateInUse = errors.New("the state folder is in use by another process")

// StateDir is the folder that a neuron keeps its state in: below root, one for
// each wallet, hotkey, subnet and kind ("miner", "validator").
func StateDir(root, wallet, hotkey string, netuid uint16, kind string) string {
	return filepath.Join(root, wallet, hotkey, "netuid"+strconv.Itoa(int(netuid)), kind)
}

// LockState makes the folder where it is missing, and holds it for this process,
// so that two neurons cannot write over each other's state. The lock goes with
// the process, however it ends.
func LockState(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the state folder: %w", err)
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the state folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w; try: another --dir, or end that process", dir, ErrStateInUse)
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f.Close, nil
}
