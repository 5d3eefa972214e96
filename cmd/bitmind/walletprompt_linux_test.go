package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// openTerminal gives both ends of a new pseudo-terminal: where a person types and
// reads, and what the program has as standard input.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// awaitEcho waits until the terminal echoes, or doesn't any more.
func awaitEcho(t *testing.T, terminal *os.File, want bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); echoes(t, terminal) != want; {
		if time.Now().After(deadline) {
			t.Fatalf("the terminal's echo never became %v", want)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestPasswordPrompt(t *testing.T) {
	t.Setenv(passwordEnv, "")
	for _, c := range []struct {
		name, first, second string
		says                string
	}{
		{"twice the same", "good words", "good words", ""},
		{"two that differ", "good words", "good wards", "differ"},
	} {
		t.Run(c.name, func(t *testing.T) {
			person, program := openTerminal(t)
			var stderr bytes.Buffer
			cmd := &cobra.Command{}
			cmd.SetContext(context.Background())
			cmd.SetIn(program)
			cmd.SetErr(&stderr)
			type answer struct {
				password string
				err      error
			}
			done := make(chan answer, 1)
			go func() {
				password, err := (&walletFlags{}).newPassword(cmd, "the coldkey")
				done <- answer{password, err}
			}()
			awaitEcho(t, program, false)
			fmt.Fprintf(person, "%s\n", c.first)
			// Echo comes back between the two questions, maybe too briefly to
			// be seen, and the line discipline keeps what is typed until the
			// second one reads it; what it shows is of no matter then.
			fmt.Fprintf(person, "%s\n", c.second)
			got := <-done
			if c.says == "" {
				if got.err != nil || got.password != c.first {
					t.Errorf("password %q, %v", got.password, got.err)
				}
			} else if got.err == nil || !strings.Contains(got.err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", got.err, c.says)
			}
			if strings.Contains(stderr.String(), "words") || !strings.Contains(stderr.String(), "New password for the coldkey: ") {
				t.Errorf("stderr %q", stderr.String())
			}
			if !echoes(t, program) {
				t.Error("the terminal is left without echo")
			}
		})
	}
}

// TestPromptInterrupted ends the wait for a password and gives the echo back.
func TestPromptInterrupted(t *testing.T) {
	t.Setenv(passwordEnv, "")
	_, program := openTerminal(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := &cobra.Command{}
	cmd.SetContext(ctx)
	cmd.SetIn(program)
	cmd.SetErr(&bytes.Buffer{})
	done := make(chan error, 1)
	go func() {
		_, err := (&walletFlags{}).password(cmd, "the coldkey")()
		done <- err
	}()
	awaitEcho(t, program, false)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	awaitEcho(t, program, true)
}
