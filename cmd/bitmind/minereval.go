package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/ml/detector"
	"github.com/maxmos001/bitmind-subnet/subnet/challenge"
	"github.com/maxmos001/bitmind-subnet/subnet/replay"
	"github.com/maxmos001/bitmind-subnet/subnet/store"
	"github.com/maxmos001/bitmind-subnet/subnet/validator"
)

type minerEvalOptions struct {
	model  modelFlags
	images imageFlags
	last   int
	batch  int
	json   bool
}

func newMinerEvalCmd() *cobra.Command {
	var opts minerEvalOptions
	cmd := &cobra.Command{
		Use:   "eval RECORDS...",
		Short: "Replay a validator's records: what would this detector have earned?",
		Long: `Eval asks a detector the questions that a validator has asked its miners before,
and says how it would have done among them: accuracy, mean reward, the moving score
that weights follow, and its rank, all on the questions that could be asked again.

RECORDS are what validators keep: the database in a validator's state folder, the
folder itself, a postgres:// URL, or JSON lines as bitmind validator export writes
them, in a file or at an http or https address. A record holds which picture was
shown (source and path), what was done to it, the label, and all
answers, but not the picture. So the pictures themselves are needed, in the folders
of --real and --synthetic as the validator has them; a picture is found by class,
source and path, else by class and path or by class, source and file name where only
one is called so. A question whose picture is missing, or has another size than the
one that was shown, cannot be asked again: it is counted, listed in --json, and no
figure includes it. Nor can be told whether this machine would have answered in
time.

` + libraryHint + `

Exit status: 0 done, 1 failed (no record could be replayed), 2 wrong usage.`,
		Example: `  bitmind miner eval ~/.bitmind/me/default/netuid168/validator --real photos --synthetic generated
  bitmind miner eval https://validator.example/results.jsonl --model my-detector --last 1000`,
		Args: positional(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return opts.run(cmd, args) },
	}
	opts.model.addTo(cmd)
	opts.images.addTo(cmd)
	f := cmd.Flags()
	f.IntVar(&opts.last, "last", 0, "only the newest records (0: all)")
	f.IntVar(&opts.batch, "batch", 16, "pictures scored at a time")
	f.BoolVar(&opts.json, "json", false, "print one JSON document")
	return cmd
}

// minerEvalReport is what miner eval says with --json.
type minerEvalReport struct {
	replay.Result
	Damaged int           `json:"damaged_lines"` // of the records
	Model   detector.Info `json:"model"`
}

func (o minerEvalOptions) run(cmd *cobra.Command, args []string) (err error) {
	switch {
	case o.last < 0:
		return usagef("--last %d; try: 0 for all records", o.last)
	case o.batch < 1:
		return usagef("--batch %d; try: 16", o.batch)
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	var pool challenge.Pool
	if pool.Real, pool.Synthetic, err = o.images.open(); err != nil {
		return err
	}
	var reports []store.Report
	damaged := 0
	for _, name := range args {
		if err := o.readRecords(cmd.Context(), name, log, func(r store.Report) { reports = append(reports, r) }, &damaged); err != nil {
			return err
		}
	}
	if len(reports) == 0 {
		return fmt.Errorf("%s holds no records (%d lines cannot be read); try: the folder of a validator's state", strings.Join(args, ", "), damaged)
	}
	if o.last > 0 && len(reports) > o.last {
		slices.SortStableFunc(reports, func(a, b store.Report) int { return a.Time.Compare(b.Time) })
		reports = reports[len(reports)-o.last:]
	}
	d, err := o.model.open(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	bar := newProgress(cmd.ErrOrStderr(), "records")
	bar.start(len(reports))
	report := minerEvalReport{Damaged: damaged, Model: d.Info()}
	report.Result, err = replay.Run(cmd.Context(), replay.Options{Detector: d, Pool: &pool, Batch: o.batch, Progress: bar.set}, reports)
	bar.clear()
	if errors.Is(err, replay.ErrNothing) {
		first := report.Missing[0]
		return fmt.Errorf("none of the %d records could be replayed, the first (%s/%s, %s) because %s; try: --real and --synthetic with the folders that the validator draws from", report.Records, first.Class, first.Source, first.Origin, first.Reason)
	}
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), report)
	}
	return writeMinerEval(cmd.OutOrStdout(), report)
}

// maxRecords bounds what is read from an address, in bytes: about what a validator
// keeps at most, as JSON lines.
const maxRecords = 1 << 30

// readRecords reads databases and files of JSON lines, those of a folder too, or an
// address. Of a database only the newest last reports of each validator are read,
// all for 0.
func (o minerEvalOptions) readRecords(ctx context.Context, name string, log *slog.Logger, use func(store.Report), damaged *int) error {
	read := func(r io.Reader) error {
		err := store.ReadReports(r, func(rep store.Report) bool {
			use(rep)
			return ctx.Err() == nil
		}, func(int, error) { *damaged++ })
		if err != nil {
			return fmt.Errorf("reading the records of %s: %w", name, err)
		}
		return ctx.Err()
	}
	switch {
	case strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://"):
		return fetchRecords(ctx, name, read)
	case isURL(name):
		return readDatabase(ctx, name, o.last, log, use)
	}
	files := []string{name}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		files = nil
		for _, pattern := range []string{validator.ResultsName, "results*.jsonl"} {
			found, err := filepath.Glob(filepath.Join(name, pattern))
			if err != nil {
				return fmt.Errorf("listing %s: %w", name, err)
			}
			files = append(files, found...)
		}
		if len(files) == 0 {
			return fmt.Errorf("%s has no %s and no results*.jsonl; try: the folder of a validator's state", name, validator.ResultsName)
		}
	}
	for _, file := range files {
		if err := readRecordFile(ctx, file, o.last, log, use, read); err != nil {
			return err
		}
	}
	return nil
}

func readRecordFile(ctx context.Context, file string, last int, log *slog.Logger, use func(store.Report), read func(io.Reader) error) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("opening records: %w; try: the folder of a validator's state", err)
	}
	defer f.Close() // only read
	text := bufio.NewReader(f)
	if start, _ := text.Peek(len(sqliteMagic)); string(start) == sqliteMagic {
		return readDatabase(ctx, file, last, log, use)
	}
	return read(text)
}

// sqliteMagic begins every SQLite file (https://www.sqlite.org/fileformat.html).
const sqliteMagic = "SQLite format 3\x00"

// readDatabase reads the reports of every validator in a database.
func readDatabase(ctx context.Context, url string, last int, log *slog.Logger, use func(store.Report)) (err error) {
	s, err := openStore(ctx, url, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	books, err := s.Books(ctx)
	if err != nil {
		return err
	}
	for _, b := range books {
		for r, err := range b.Newest(ctx, last) {
			if err != nil {
				return err
			}
			use(r)
		}
	}
	return nil
}

func fetchRecords(ctx context.Context, address string, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return usagef("%s is no address; try: https://validator.example/results.jsonl", address)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("getting the records: %w; try: the address in a browser", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("getting the records of %s: the server answers %s; try: the address in a browser", address, response.Status)
	}
	return read(io.LimitReader(response.Body, maxRecords))
}

func writeMinerEval(w io.Writer, r minerEvalReport) error {
	name := strings.TrimSpace(r.Model.Name + " " + r.Model.Version)
	const day = "2006-01-02 15:04"
	fmt.Fprintf(w, "%s on %d of %d records, %s to %s UTC\n", name, r.Replayed, r.Records, r.First.UTC().Format(day), r.Last.UTC().Format(day))
	if n := len(r.Missing); n > 0 {
		absent := 0
		for _, m := range r.Missing {
			if m.Absent {
				absent++
			}
		}
		fmt.Fprintf(w, "%d could not be replayed: of %d the picture is not in the folders, of %d it is another or cannot be read.\n", n, absent, n-absent)
		m := r.Missing[0]
		fmt.Fprintf(w, "The first: %s/%s, %s: %s\n", m.Class, m.Source, m.Origin, m.Reason)
	}
	if r.Damaged > 0 {
		fmt.Fprintf(w, "%d lines of the records cannot be read.\n", r.Damaged)
	}
	overall := newEvalTable()
	overall.AppendRows([]table.Row{
		{"accuracy", fmt.Sprintf("%.4f", r.Yours.Accuracy)},
		{"mean reward", fmt.Sprintf("%.4f", r.Yours.Reward)},
		{"moving score", fmt.Sprintf("%.4f", r.Yours.Score)},
		{"ROC AUC", evalCell(r.Metrics.ROCAUC)},
		{"false-positive rate", evalCell(r.Metrics.FPR)},
		{"calibration error", evalCell(r.Metrics.ECE)},
		{"milliseconds an image", fmt.Sprintf("%.1f", 1000*r.Seconds)},
		{"rank by mean reward", fmt.Sprintf("%d of %d", r.Rank, len(r.Miners)+1)},
		{"rank by moving score", fmt.Sprintf("%d of %d", r.RankByScore, len(r.Miners)+1)},
	})
	alignRight(overall, 2, 2)
	miners := newEvalTable()
	miners.AppendHeader(table.Row{"uid", "hotkey", "asked", "answered", "accuracy", "reward", "score", "you, same questions", "median ms"})
	for _, m := range r.Miners {
		miners.AppendRow(table.Row{*m.UID, m.Hotkey.String(), m.Asked, m.Answered, fmt.Sprintf("%.4f", m.Accuracy), fmt.Sprintf("%.4f", m.Reward), fmt.Sprintf("%.4f", m.Score), fmt.Sprintf("%.4f", m.Yours), fmt.Sprintf("%.0f", m.Latency)})
	}
	alignRight(miners, 3, 9)
	_, err := fmt.Fprintf(w, "%s\n\n%s\n", overall.Render(), miners.Render())
	return err
}
