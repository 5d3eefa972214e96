// Package peak tells how much memory a process has used.
//
//	mb, err := peak.MB("self")
package peak

import (
	"bytes"
	"fmt"
	"os"
)

// MB is the most memory that a process has had resident, in MB (Linux only). The
// process is a number, or "self".
func MB(process string) (float64, error) {
	status, err := os.ReadFile("/proc/" + process + "/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	var kb float64
	if _, err := fmt.Sscan(string(rest), &kb); err != nil {
		return 0, fmt.Errorf("reading the peak of resident memory: %w", err)
	}
	return kb / 1024, nil
}
