package main

import "github.com/spf13/cobra"

// commands lists every subcommand, in the order of the help page.
func commands() []*cobra.Command {
	return []*cobra.Command{
		newLocalnetCmd(),
		newMinerCmd(),
		newValidatorCmd(),
		newWalletCmd(),
		newRegisterCmd(),
		newStakeCmd(),
		newUnstakeCmd(),
		newMetagraphCmd(),
		newServeCmd(),
		newKeysCmd(),
		newPredictCmd(),
		newDetectCmd(),
		newProvenanceCmd(),
		newMCPCmd(),
		newModelCmd(),
		newEvalCmd(),
		newDataCmd(),
		newTrainCmd(),
		newC2PAChildCmd(),
	}
}
