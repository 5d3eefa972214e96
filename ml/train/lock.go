package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrInUse says that another process trains in the folder.
var ErrInUse = errors.New("another process trains there")

// lockFolder holds a run's folder for this process. The lock goes with the
// process, however it ends.
func lockFolder(folder string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(folder, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the run's folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w; try: another experiment's name, or end that process", folder, ErrInUse)
		}
		return nil, fmt.Errorf("locking the run's folder: %w", err)
	}
	return f, nil
}
