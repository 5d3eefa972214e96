package validator

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/maxmos001/bitmind-subnet/subnet/store"
)

// Report is one finished challenge with everybody's answers.
type Report = store.Report

// Answer is what one miner answered, and earned.
type Answer = store.Answer

// ResultsName is the database of results in a validator's state folder.
const ResultsName = "results.db"

// recordTimeout is how long a result may take to the disk.
const recordTimeout = 30 * time.Second

// openResults opens the record of this validator in Config.Store, else in the state
// folder, and takes over the files of older versions.
func (v *Validator) openResults(ctx context.Context) error {
	s := v.cfg.Store
	if s == nil {
		if v.cfg.StateDir == "" {
			return nil
		}
		own, err := store.Open(ctx, filepath.Join(v.cfg.StateDir, ResultsName), store.Options{Now: v.cfg.Now, Logger: v.log})
		if err != nil {
			return fmt.Errorf("opening the results: %w", err)
		}
		s, v.ownStore = own, own
	}
	book, err := s.Book(ctx, v.cfg.Netuid, v.cfg.Signer.AccountID())
	if err == nil && v.cfg.StateDir != "" {
		err = book.Import(ctx, v.cfg.StateDir)
	}
	if err != nil {
		return fmt.Errorf("opening the results: %w", errors.Join(err, v.closeResults()))
	}
	v.results = book
	return nil
}

// closeResults closes the database where it is the validator's own.
func (v *Validator) closeResults() error {
	v.results = nil
	if v.ownStore == nil {
		return nil
	}
	err := v.ownStore.Close()
	v.ownStore = nil
	return err
}

// replay brings results into the scores that were written before a kill and whose
// state was not: a result goes to disk first. v.mu is held.
func (v *Validator) replay(ctx context.Context) error {
	if v.results == nil {
		return nil
	}
	taken := 0
	for r, err := range v.results.After(ctx, v.state.Challenges) {
		if err == nil {
			err = v.apply(r)
		}
		if err != nil {
			return fmt.Errorf("taking up results again: %w", err)
		}
		taken++
	}
	v.behind = false
	if taken == 0 {
		return nil
	}
	v.log.Info("results taken up that the state did not hold yet", "challenges", taken)
	return v.save()
}
