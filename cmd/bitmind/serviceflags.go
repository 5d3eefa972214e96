package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/api"
	"github.com/maxmos001/bitmind-subnet/api/fetch"
)

// serviceFlags choose what the API and the page answer with, and to whom; every
// command that serves them has these flags.
type serviceFlags struct {
	listen        string
	insecure      bool
	requireKeys   bool
	rate          int
	origins       []string
	hosts         []string
	maxBody       int
	memory        int
	keep          int
	fetchAllow    []string
	webhookAllow  []string
	webhookSecret string
	origin        provenanceFlags
}

// defaultRate is how many pictures a minute an address may ask about without a key
// where strangers can connect.
const defaultRate = 60

func (f *serviceFlags) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8080", "address of the API and the page; port 0 picks a free one")
	flags.BoolVar(&f.insecure, "insecure", false, "answer on other addresses than this machine's without keys")
	flags.BoolVar(&f.requireKeys, "require-keys", false, "ask for a key on this machine too")
	flags.IntVar(&f.rate, "anonymous.rate", -1, "pictures a minute for each address without a key, 0 for no limit (default 60, on this machine no limit)")
	flags.StringSliceVar(&f.origins, "cors.origin", nil, "site whose pages may use the API, such as https://example.com (repeatable)")
	flags.StringSliceVar(&f.hosts, "host", nil, "name that this server has besides localhost, such as the one that a proxy passes on (repeatable)")
	flags.IntVar(&f.maxBody, "max-body", api.DefaultMaxBody>>20, "largest picture taken, in MB")
	flags.IntVar(&f.memory, "memory", api.DefaultBodies>>20, "memory for encoded pictures under way, in MB; what comes beyond is told to come back")
	flags.IntVar(&f.keep, "keep-days", 0, "delete answers after so many days (0: never)")
	flags.StringSliceVar(&f.fetchAllow, "fetch.allow", nil, "private host, address or network that pictures may be fetched from, such as 10.1.0.0/16 or nas:8080 (repeatable)")
	flags.StringSliceVar(&f.webhookAllow, "webhook.allow", nil, "private host, address or network that webhooks may be posted to (repeatable)")
	flags.StringVar(&f.webhookSecret, "webhook.secret", "", "what webhooks' signatures are made from; better set as BITMIND_WEBHOOK_SECRET (default: made once, beside the database)")
	f.origin.addTo(cmd)
}

func (f *serviceFlags) check() error {
	switch {
	case f.maxBody < 1 || f.maxBody > 1024:
		return usagef("--max-body %d; try: 1 to 1024 MB", f.maxBody)
	case f.memory < 3*f.maxBody || f.memory > 1<<20:
		return usagef("--memory %d; try: at least three times --max-body, which is %d", f.memory, f.maxBody)
	case f.rate < -1 || f.rate > 1_000_000:
		return usagef("--anonymous.rate %d; try: 60, or 0 for no limit", f.rate)
	case f.keep < 0 || f.keep > 36500:
		return usagef("--keep-days %d; try: 30, or 0 for ever", f.keep)
	case f.webhookSecret != "" && len(f.webhookSecret) < 16:
		return usagef("--webhook.secret of %d characters; try: 16 or more that nobody can guess", len(f.webhookSecret))
	}
	for _, origin := range f.origins {
		if err := api.CheckOrigin(origin); err != nil {
			return usagef("--cors.origin %w", err)
		}
	}
	return nil
}

// fetcher makes what reaches strangers' addresses, as a flag allows, and says what to
// try instead where it does not.
func (f *serviceFlags) fetcher(flag, instead string, allow []string) (*fetch.Fetcher, error) {
	fetcher, err := fetch.New(fetch.Config{Allow: allow, Option: flag, Instead: instead, MaxBytes: int64(f.maxBody) << 20, UserAgent: "bitmind/" + version})
	if err != nil {
		return nil, usagef("%s %w", flag, err)
	}
	return fetcher, nil
}

// secret returns what webhooks are signed with: the one that was given, or one that
// is made once and kept beside the database's file. For a database elsewhere there
// is none unless it is given.
func (f *serviceFlags) secret(database string) (string, error) {
	if f.webhookSecret != "" || database == "" {
		return f.webhookSecret, nil
	}
	path := database + ".webhook-secret"
	for range 2 {
		data, err := os.ReadFile(path)
		if err == nil {
			if text := strings.TrimSpace(string(data)); len(text) >= 16 {
				return text, nil
			}
			return "", fmt.Errorf("%s holds no secret; try: delete it, and a new one is made", path)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("reading the webhooks' secret: %w", err)
		}
		if err := makeSecret(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("making the webhooks' secret: %w; try: --webhook.secret", err)
		}
	}
	return "", fmt.Errorf("%s comes and goes; try: --webhook.secret", path)
}

// makeSecret writes a new secret, whole, unless another process was first.
func makeSecret(path string) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // readable by its owner alone
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(rand.Text() + rand.Text() + "\n")
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Link(file.Name(), path)
}

// isLoopback says whether only this machine can connect to an address.
func isLoopback(addr net.Addr) bool {
	at, err := netip.ParseAddrPort(addr.String())
	return err == nil && at.Addr().Unmap().IsLoopback()
}
