package main

import (
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// applySettings fills every flag that was not given on the command line from the
// environment, then from the --config file.
func applySettings(cmd *cobra.Command) error {
	// cobra adds a help and a version flag of its own; neither is a setting.
	settable := func(f *pflag.Flag) bool { return !f.Changed && f.Name != "help" && f.Name != "version" }

	var firstErr error
	set := func(f *pflag.Flag, value, from string) {
		if err := cmd.Flags().Set(f.Name, value); err != nil && firstErr == nil {
			firstErr = usagef("%s: %w", from, err)
		}
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		name := envName(f.Name)
		if value, ok := os.LookupEnv(name); ok && settable(f) {
			set(f, value, name)
		}
	})

	path, err := cmd.Flags().GetString("config")
	if err != nil || path == "" || firstErr != nil {
		return firstErr
	}
	k := koanf.New(".")
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
		return usagef("cannot read the settings in %s: %w; try: a YAML file with lines such as 'wallet.name: me'", path, err)
	}
	known := map[string]bool{}
	for _, c := range allCommands(cmd.Root()) {
		c.Flags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
		c.PersistentFlags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	}
	for _, key := range k.Keys() {
		// One file may serve several commands, so only a key that no command
		// knows is a mistake.
		if !known[key] {
			return usagef("%s: unknown setting %q; try: a flag's name without the dashes in front", path, key)
		}
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !settable(f) || !k.Exists(f.Name) {
			return
		}
		value := k.String(f.Name)
		if _, isList := f.Value.(pflag.SliceValue); isList {
			value = strings.Join(k.Strings(f.Name), ",")
		}
		set(f, value, path+": "+f.Name)
	})
	return firstErr
}

func allCommands(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		all = append(all, allCommands(sub)...)
	}
	return all
}

func envName(flag string) string {
	return "BITMIND_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(flag))
}

// logger builds the command's logger from --log.level and --log.format. Logs go
// to stderr, so that stdout holds nothing but the command's report.
func logger(cmd *cobra.Command) (*slog.Logger, error) {
	return loggerTo(cmd, cmd.ErrOrStderr())
}

// loggerTo is logger with another place for the lines to go.
func loggerTo(cmd *cobra.Command, w io.Writer) (*slog.Logger, error) {
	text, err := cmd.Flags().GetString("log.level")
	if err != nil {
		return nil, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return nil, usagef("--log.level %q; try: debug, info, warn or error", text)
	}
	format, err := cmd.Flags().GetString("log.format")
	if err != nil {
		return nil, err
	}
	opts := &slog.HandlerOptions{Level: level}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	default:
		return nil, usagef("--log.format %q; try: text or json", format)
	}
}
