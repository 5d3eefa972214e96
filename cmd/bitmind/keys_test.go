package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

func TestKeys(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	file := filepath.Join(home, ".bitmind", "service.db") // the default
	secret, stderr := bitmindOK(t, "", "keys", "create", "--name", "shop", "--scope", "detect", "--per-minute", "60", "--expires", "48h")
	secret = strings.TrimSuffix(secret, "\n")
	if !regexp.MustCompile(`^`+store.KeyPattern+`$`).MatchString(secret) || strings.Contains(stderr, secret) || !strings.Contains(stderr, "60/minute") {
		t.Fatalf("stdout %q, stderr %q", secret, stderr)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	s, err := store.Open(t.Context(), file, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	check := func(token string, want error) store.Key {
		t.Helper()
		key, err := s.Authenticate(t.Context(), token)
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		return key
	}
	key := check(secret, nil)
	if key.Name != "shop" || key.PerMinute != 60 || key.Has(store.ScopeRead) || !key.Has(store.ScopeDetect) || time.Until(key.ExpiresAt) < 47*time.Hour {
		t.Errorf("%+v", key)
	}
	if err := s.Count(t.Context(), store.CountKey, key.ID, 7, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Spend(t.Context(), key, 5); err != nil {
		t.Fatal(err)
	}

	var shown shownKey
	text, _ := bitmindOK(t, "", "keys", "show", key.ID, "--json")
	if err := json.Unmarshal([]byte(text), &shown); err != nil || shown.ID != key.ID || shown.State != "valid" || len(shown.Usage) != 1 || shown.Usage[0].Success != 7 || shown.Usage[0].Failure != 2 {
		t.Errorf("%v: %s", err, text)
	}
	if text, _ := bitmindOK(t, "", "keys", "show", secret); !strings.Contains(text, "7 answered, 2 failed") || !strings.Contains(text, "of 60") {
		t.Errorf("shown: %s", text)
	}
	var made madeKey
	text, stderr = bitmindOK(t, "", "keys", "rotate", key.ID, "--grace", "1h", "--json")
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.Secret == secret || made.ID != key.ID || strings.Contains(stderr, made.Secret) {
		t.Errorf("%v: %s", err, text)
	}
	check(secret, nil)
	check(made.Secret, nil)
	last, _ := bitmindOK(t, "", "keys", "rotate", key.ID, "--grace", "0s")
	check(made.Secret, store.ErrUnknownKey)
	last = strings.TrimSpace(last)
	check(last, nil)

	// The list holds no secret, and shows what a terminal would obey as text.
	if _, stderr := bitmindOK(t, "", "keys", "create", "--name", "a\x1b[31mb", "--scope", "admin"); strings.Contains(stderr, "\x1b") {
		t.Errorf("an escape character reaches the terminal: %q", stderr)
	}
	text, _ = bitmindOK(t, "", "keys", "list")
	if !strings.Contains(text, key.ID) || strings.Contains(text, last) || strings.Contains(text, "\x1b") || strings.Count(text, "\n") != 3 {
		t.Errorf("listed: %s", text)
	}
	var list []store.Key
	text, _ = bitmindOK(t, "", "keys", "list", "--json", "--store", "sqlite:~/.bitmind/service.db")
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 2 || strings.Contains(text, "hash") {
		t.Errorf("%v: %s", err, text)
	}
	bitmindOK(t, "", "keys", "revoke", key.ID)
	check(last, store.ErrRevokedKey)
	if text, _ := bitmindOK(t, "", "keys", "list"); !strings.Contains(text, "revoked") {
		t.Errorf("listed: %s", text)
	}

	broken := filepath.Join(home, "broken.db")
	if err := os.WriteFile(broken, []byte(strings.Repeat("x", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"create"}, 2, "needs --name"},
		{[]string{"create", "--name", "x", "--scope", "all"}, 2, `--scope "all"; try: detect`},
		{[]string{"create", "--name", "x", "--per-day", "-1"}, 2, "--per-day -1"},
		{[]string{"create", "--name", "x", "--expires", "-1h"}, 2, "--expires"},
		{[]string{"rotate", key.ID, "--grace", "9999h"}, 2, "--grace"},
		{[]string{"rotate", key.ID}, 1, "revoked"},
		{[]string{"revoke", "none"}, 1, "try: bitmind keys list"},
		{[]string{"show", "none"}, 1, "try: bitmind keys list"},
		{[]string{"show", secret[:40]}, 2, "cut short"},
		{[]string{"revoke"}, 2, "accepts 1 arg"},
		{[]string{"list", "--store", broken}, 1, "broken.db"},
		{[]string{"list", "--store", "mysql://x"}, 1, "names no database"},
	} {
		status, _, stderr := bitmind(t, "", append([]string{"keys"}, c.args...)...)
		if status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d, %s, want %d, %q", c.args, status, stderr, c.status, c.want)
		}
	}
}
