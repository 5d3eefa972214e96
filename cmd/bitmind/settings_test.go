package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{{"nonsense"}, {"--nonsense"}, {"--config", "/does/not/exist.yaml"}} {
		status, _, stderr := bitmind(t, "", args...)
		if status != 2 {
			t.Errorf("bitmind %v: exit status %d, want 2", args, status)
		}
		if strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "; try: ") {
			t.Errorf("bitmind %v: want one line that says what to try, got %q", args, stderr)
		}
	}
}

func TestSettingsPrecedence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bitmind.yaml")
	if err := os.WriteFile(path, []byte("wallet:\n  name: from-file\n  hotkey: from-file\nnetuid: 7\nlist.of: [a, b]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BITMIND_WALLET_NAME", "from-env")
	t.Setenv("BITMIND_NETUID", "8")

	var name, hotkey string
	var netuid uint16
	var list []string
	root := newRootCmd()
	probe := &cobra.Command{Use: "probe", RunE: func(*cobra.Command, []string) error { return nil }}
	probe.Flags().StringVar(&name, "wallet.name", "default", "")
	probe.Flags().StringVar(&hotkey, "wallet.hotkey", "default", "")
	probe.Flags().Uint16Var(&netuid, "netuid", 1, "")
	probe.Flags().StringSliceVar(&list, "list.of", nil, "")
	root.AddCommand(probe)
	root.SetArgs([]string{"probe", "--config", path, "--netuid", "9"})
	if err := root.ExecuteContext(context.Background()); err != nil {
		t.Fatal(err)
	}
	if name != "from-env" || hotkey != "from-file" || netuid != 9 || strings.Join(list, " ") != "a b" {
		t.Errorf("got name %q, hotkey %q, netuid %d, list %v; want flag over environment over file", name, hotkey, netuid, list)
	}
}

func TestUnknownSettingIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bitmind.yaml")
	if err := os.WriteFile(path, []byte("walet.name: me\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := bitmind(t, "", "--config", path)
	if status != 2 || !strings.Contains(stderr, `"walet.name"`) {
		t.Errorf("status %d, stderr %q; want 2 and the key's name", status, stderr)
	}
}
