package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

func newKeysCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make and revoke the keys of the API",
		Long: `Keys let programs ask the API of bitmind serve. A key is made once and shown once:
the database holds only its hash. Each has scopes, limits, and a count of its use.
What is changed here, a server that runs on the same database knows at once.

Scopes: detect (ask about pictures), read (read and list answers), feedback (say
whether one was right), admin (all of these, for the answers of every key).

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind keys create --name shop --scope detect --scope read --per-minute 60
  bitmind keys list
  bitmind keys rotate abcdefghijklm --grace 24h
  bitmind keys revoke abcdefghijklm`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeysCreateCmd(), newKeysListCmd(), newKeysShowCmd(), newKeysRotateCmd(), newKeysRevokeCmd())
	return cmd
}

// keysOptions are the flags of every command about keys.
type keysOptions struct {
	store storeFlags
	json  bool
}

func (o *keysOptions) addTo(cmd *cobra.Command) {
	o.store.addTo(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON document")
}

// with opens the database for the length of a function.
func (o *keysOptions) with(cmd *cobra.Command, fn func(ctx context.Context, s *store.Store) error) (err error) {
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	s, err := o.store.open(cmd.Context(), log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return fn(cmd.Context(), s)
}

// madeKey is what create and rotate say with --json.
type madeKey struct {
	store.Key
	Secret string `json:"secret"` // the whole key, as it is sent
}

// print writes a new key: the secret alone on standard output.
func (o *keysOptions) print(cmd *cobra.Command, key store.Key, secret string) error {
	if o.json {
		return printJSON(cmd.OutOrStdout(), madeKey{key, secret})
	}
	stderr := cmd.ErrOrStderr()
	fmt.Fprintf(stderr, "key %s (%q), scopes %s, limits %s, expires %s\n", key.ID, key.Name, strings.Join(key.Scopes, " "), limits(key), orNever(key.ExpiresAt))
	if key.OldUntil.After(time.Now()) {
		fmt.Fprintf(stderr, "the secret before is accepted until %s\n", key.OldUntil.Format(time.RFC3339))
	}
	fmt.Fprintln(stderr, "Keep it: it cannot be shown again. It is sent as: Authorization: Bearer KEY")
	_, err := fmt.Fprintln(cmd.OutOrStdout(), secret)
	return err
}

type keysCreateOptions struct {
	keysOptions
	settings store.KeySettings
	expires  time.Duration
}

func newKeysCreateCmd() *cobra.Command {
	var o keysCreateOptions
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a key and show it, once",
		Long: `Makes a key. It goes to standard output, alone; all else to standard error.

Limits count pictures; days and months are those of UTC.`,
		Example: `  bitmind keys create --name shop --per-minute 60 --per-day 5000
  bitmind keys create --name nightly --scope detect --expires 720h > key.txt
  bitmind keys create --name support --scope admin --store postgres://bitmind@db/bitmind`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.addTo(cmd)
	f := cmd.Flags()
	f.StringVar(&o.settings.Name, "name", "", "what the key is for")
	f.StringSliceVar(&o.settings.Scopes, "scope", []string{store.ScopeDetect, store.ScopeRead, store.ScopeFeedback}, "what the key may do: "+strings.Join(store.Scopes(), ", ")+" (repeatable)")
	f.IntVar(&o.settings.PerMinute, "per-minute", 0, "pictures a minute (0: no limit)")
	f.IntVar(&o.settings.PerDay, "per-day", 0, "pictures a day (0: no limit)")
	f.IntVar(&o.settings.PerMonth, "per-month", 0, "pictures a month (0: no limit)")
	f.DurationVar(&o.expires, "expires", 0, "how long the key is valid, such as 720h (0: for ever)")
	return cmd
}

func (o *keysCreateOptions) run(cmd *cobra.Command) error {
	for _, limit := range []struct {
		flag string
		n    int
	}{{"--per-minute", o.settings.PerMinute}, {"--per-day", o.settings.PerDay}, {"--per-month", o.settings.PerMonth}} {
		if limit.n < 0 || limit.n > store.MaxLimit {
			return usagef("%s %d; try: 0 for no limit, or 1 to %d", limit.flag, limit.n, store.MaxLimit)
		}
	}
	for _, scope := range o.settings.Scopes {
		if !slices.Contains(store.Scopes(), scope) {
			return usagef("--scope %q; try: %s", scope, strings.Join(store.Scopes(), ", "))
		}
	}
	switch {
	case o.settings.Name == "":
		return usagef("a key needs --name; try: --name shop")
	case o.expires < 0:
		return usagef("--expires %s; try: 720h, or 0 for a key that does not expire", o.expires)
	case o.expires > 0:
		o.settings.ExpiresAt = time.Now().Add(o.expires)
	}
	return o.with(cmd, func(ctx context.Context, s *store.Store) error {
		key, secret, err := s.CreateKey(ctx, o.settings)
		if err != nil {
			return err
		}
		return o.print(cmd, key, secret)
	})
}

func newKeysListCmd() *cobra.Command {
	var o keysOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys",
		Example: `  bitmind keys list
  bitmind keys list --json`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.with(cmd, func(ctx context.Context, s *store.Store) error {
				keys, err := s.Keys(ctx)
				if err != nil {
					return err
				}
				if o.json {
					return printJSON(cmd.OutOrStdout(), keys)
				}
				return printKeys(cmd.OutOrStdout(), keys)
			})
		},
	}
	o.addTo(cmd)
	return cmd
}

func printKeys(w io.Writer, keys []store.Key) error {
	if len(keys) == 0 {
		_, err := fmt.Fprintln(w, "no keys; try: bitmind keys create --name shop")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tSTATE\tSCOPES\tLIMITS\tCREATED\tLAST USED")
	for _, k := range keys {
		fmt.Fprintf(table, "%s\t%q\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, keyState(k, time.Now()), strings.Join(k.Scopes, " "), limits(k), k.CreatedAt.Format(time.DateOnly), orNever(k.UsedAt))
	}
	return table.Flush()
}

// keyState says in a word whether a key is accepted.
func keyState(k store.Key, now time.Time) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked"
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return "expired"
	}
	return "valid"
}

func limits(k store.Key) string {
	var list []string
	for _, limit := range []struct {
		n      int
		period string
	}{{k.PerMinute, store.Minute}, {k.PerDay, store.Day}, {k.PerMonth, store.Month}} {
		if limit.n > 0 {
			list = append(list, fmt.Sprintf("%d/%s", limit.n, limit.period))
		}
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}

func orNever(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.RFC3339)
}

// shownKey is what show says with --json.
type shownKey struct {
	store.Key
	State string     `json:"state"`
	Usage []keyUsage `json:"usage"` // of the last 30 days
	Spent []keySpent `json:"spent"` // of the limits that it has
}

type keyUsage struct {
	Day     string `json:"day"`
	Success int64  `json:"success"`
	Failure int64  `json:"failure"`
}

type keySpent struct {
	Period string    `json:"period"`
	Limit  int       `json:"limit"`
	Used   int       `json:"used"`
	Reset  time.Time `json:"reset"`
}

func newKeysShowCmd() *cobra.Command {
	var o keysOptions
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a key, what is spent of its limits, and its use by day",
		Example: `  bitmind keys show abcdefghijklm
  bitmind keys show abcdefghijklm --json`,
		Args: positional(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := keyID(args[0])
			if err != nil {
				return err
			}
			return o.with(cmd, func(ctx context.Context, s *store.Store) error {
				shown, err := showKey(ctx, s, id)
				if err != nil {
					return err
				}
				if o.json {
					return printJSON(cmd.OutOrStdout(), shown)
				}
				return printKey(cmd.OutOrStdout(), shown)
			})
		},
	}
	o.addTo(cmd)
	return cmd
}

// keyID takes an id, or a whole key that its owner has at hand.
func keyID(arg string) (string, error) {
	if !strings.HasPrefix(arg, "bm_") {
		return arg, nil
	}
	id, err := store.KeyID(arg)
	if err != nil {
		return "", usagef("%w; try: the id, as bitmind keys list shows it", err)
	}
	return id, nil
}

func showKey(ctx context.Context, s *store.Store, id string) (shownKey, error) {
	key, err := s.Key(ctx, id)
	if err != nil {
		return shownKey{}, hintKey(err)
	}
	now := time.Now()
	shown := shownKey{Key: key, State: keyState(key, now), Usage: []keyUsage{}, Spent: []keySpent{}}
	days, err := s.Counts(ctx, store.CountKey, &id, now.AddDate(0, 0, -30), now)
	if err != nil {
		return shownKey{}, err
	}
	for _, d := range days {
		shown.Usage = append(shown.Usage, keyUsage{d.Day.Format(time.DateOnly), d.Success, d.Failure})
	}
	windows, err := s.Allowance(ctx, key)
	for _, w := range windows {
		shown.Spent = append(shown.Spent, keySpent{w.Period, w.Limit, w.Used, w.Reset})
	}
	return shown, err
}

// hintKey says where the ids are, where there is no such key.
func hintKey(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w; try: bitmind keys list", err)
	}
	return err
}

func printKey(w io.Writer, k shownKey) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"id", k.ID}, {"name", fmt.Sprintf("%q", k.Name)}, {"state", k.State}, {"scopes", strings.Join(k.Scopes, " ")},
		{"created", orNever(k.CreatedAt)}, {"last used", orNever(k.UsedAt)}, {"expires", orNever(k.ExpiresAt)},
		{"rotated", orNever(k.RotatedAt)}, {"revoked", orNever(k.RevokedAt)},
	} {
		fmt.Fprintf(table, "%s\t%s\n", line[0], line[1])
	}
	for _, s := range k.Spent {
		fmt.Fprintf(table, "this %s\t%d of %d, until %s\n", s.Period, s.Used, s.Limit, s.Reset.Format(time.RFC3339))
	}
	for _, d := range k.Usage {
		fmt.Fprintf(table, "%s\t%d answered, %d failed\n", d.Day, d.Success, d.Failure)
	}
	return table.Flush()
}

type keysRotateOptions struct {
	keysOptions
	grace time.Duration
}

func newKeysRotateCmd() *cobra.Command {
	var o keysRotateOptions
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Give a key a new secret, and show it, once",
		Long: `Gives a key a new secret. The one before stays valid for --grace, so that programs
can change over; name, scopes, limits and what was spent of them stay. A secret that
has leaked gets --grace 0.`,
		Example: `  bitmind keys rotate abcdefghijklm
  bitmind keys rotate abcdefghijklm --grace 0s`,
		Args: positional(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := keyID(args[0])
			if err != nil {
				return err
			}
			if o.grace < 0 || o.grace > store.MaxGrace {
				return usagef("--grace %s; try: 0s to %s", o.grace, store.MaxGrace)
			}
			return o.with(cmd, func(ctx context.Context, s *store.Store) error {
				key, secret, err := s.RotateKey(ctx, id, o.grace)
				if err != nil {
					return hintKey(err)
				}
				return o.print(cmd, key, secret)
			})
		},
	}
	o.addTo(cmd)
	cmd.Flags().DurationVar(&o.grace, "grace", 24*time.Hour, "how long the old secret is still accepted")
	return cmd
}

func newKeysRevokeCmd() *cobra.Command {
	var o keysOptions
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "End the use of a key, at once and for good",
		Example: `  bitmind keys revoke abcdefghijklm`,
		Args:    positional(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := keyID(args[0])
			if err != nil {
				return err
			}
			return o.with(cmd, func(ctx context.Context, s *store.Store) error {
				if err := s.RevokeKey(ctx, id); err != nil {
					return hintKey(err)
				}
				key, err := s.Key(ctx, id)
				if err != nil {
					return err
				}
				if o.json {
					return printJSON(cmd.OutOrStdout(), key)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "revoked %s (%q)\n", key.ID, key.Name)
				return err
			})
		},
	}
	o.addTo(cmd)
	return cmd
}
