"""SDK 7.4.0, the generation of mid-2024, on the development chain: what of it works on a
chain after dTAO, exactly, and why the rest does not.

python sdk-7.4.0.py FOLDER RPC_OF_381 RPC_OF_293"""

import inspect
import sys

import retry.api

# The SDK waits seconds between its three tries of a call that cannot succeed.
retry.api.time = type("Time", (), {"sleep": staticmethod(lambda seconds: None)})

import bittensor as bt
from bittensor.chain_data import NeuronInfo, NeuronInfoLite, SubnetInfo
from substrateinterface import Keypair

from sdk_checks import Report

NETUID = 1
RAO = 1_000_000_000

# Readers that answer; some are compared with the state below.
WORK = """
adjustment_alpha blocks_since_last_update bonds bonds_moving_avg difficulty does_hotkey_exist get_all_subnet_netuids
get_all_uids_for_hotkey get_balance get_balances get_block_hash get_childkey_take get_children get_current_block
get_delegate_take get_delegated get_delegates get_existential_deposit get_hotkey_owner get_minimum_required_stake
get_netuids_for_hotkey get_parents get_subnet_burn_cost get_subnet_owner get_subnets get_total_subnets get_transfer_fee
get_uid_for_hotkey_on_subnet immunity_period incentive is_hotkey_delegate is_hotkey_registered is_hotkey_registered_any
is_hotkey_registered_on_subnet kappa max_allowed_validators max_n max_weight_limit min_allowed_weights query_constant
query_map query_map_subtensor query_module query_subtensor recycle rho scaling_law_power serving_rate_limit subnet_exists
subnetwork_n tempo total_issuance total_stake tx_rate_limit validator_prune_len weights weights_rate_limit
get_axon_info get_all_subnets_info
""".split()

# Readers of storage that the chain no longer keeps: what the metadata lacks.
GONE = {
    "blocks_since_epoch": "SubtensorModule.BlocksSinceEpoch", "check_in_arbitration": "SubtensorModule.ColdkeySwapDestinations",
    "get_emission_value_by_subnet": "SubtensorModule.EmissionValues", "get_nominators_for_hotkey": "SubtensorModule.Stake",
    "get_remaining_arbitration_period": "SubtensorModule.ColdkeyArbitrationBlock", "get_stake": "SubtensorModule.Stake",
    "get_stake_for_coldkey_and_hotkey": "SubtensorModule.Stake", "get_total_stake_for_coldkey": "SubtensorModule.TotalColdkeyStake",
    "get_total_stake_for_hotkey": "SubtensorModule.TotalHotkeyStake", "get_subnet_modality": "SubtensorModule.NetworkModality",
    "get_subnet_connection_requirement": "SubtensorModule.NetworkConnect",
    "get_subnet_connection_requirements": "SubtensorModule.NetworkConnect",
    "synergy_scaling_law_power": "SubtensorModule.SynergyScalingLawPower",
    "validator_batch_size": "SubtensorModule.ValidatorBatchSize", "validator_epoch_length": "SubtensorModule.ValidatorEpochLen",
    "validator_epochs_per_reset": "SubtensorModule.ValidatorEpochsPerReset",
    "validator_exclude_quantile": "SubtensorModule.ValidatorExcludeQuantile",
    "validator_logits_divergence": "SubtensorModule.ValidatorLogitsDivergence",
    "validator_sequence_length": "SubtensorModule.ValidatorSequenceLength",
}
# Some of them 293 still kept.
KEPT_AT_293 = {"get_subnet_modality"}

# Readers of runtime functions that took and gave bare bytes before dTAO, and take and
# give typed values since: the SDK fails to decode them or the chain to decode it.
TYPED = {
    "get_stake_info_for_coldkey": "left over", "get_stake_info_for_coldkeys": "left over",
    "get_delegate_by_hotkey": "Decoding", "get_subnet_hyperparameters": "Decoding", "get_commitment": "Decoding",
    "metagraph": "Decoding", "neurons": "Decoding", "neurons_lite": "Decoding", "neuron_for_uid_lite": "Decoding",
    "neuron_for_wallet": "", "get_all_neurons_for_pubkey": "", "get_neuron_for_pubkey_and_subnet": "", "neuron_for_uid": "",
    "get_subnet_info": "",
}

# Readers that fail by themselves, on any chain of today.
BROKEN = {
    "get_delegates_lite": ("Method not found", "nodes have no delegateInfo_getDelegatesLite any more"),
    "get_prometheus_info": ("subscriptable", "the SDK takes a server for granted; this neuron has none"),
    "neuron_has_validator_permit": ("requires 1 parameters", "the SDK asks for one uid, the item holds all uids of a subnet"),
}

# Pallets that were removed, and what reads them: proposals of the senate, the old registry.
SENATE = ("get_proposal_call_data", "get_proposal_hashes", "get_proposal_vote_data", "get_proposals", "get_senate_members",
          "get_vote_data", "is_senate_member")


def wallet(folder, cold, hot):
    w = bt.wallet(name=cold.strip("/"), hotkey=hot.strip("/").replace("/", "-"), path=folder)
    w.set_coldkey(Keypair.create_from_uri(cold), encrypt=False, overwrite=True)
    w.set_coldkeypub(Keypair.create_from_uri(cold), encrypt=False, overwrite=True)
    w.set_hotkey(Keypair.create_from_uri(hot), encrypt=False, overwrite=True)
    return w


class Old:
    def __init__(self, report, folder, rpc, spec):
        self.r, self.spec = report, spec
        self.s = bt.subtensor(network=rpc)
        self.alice = wallet(folder, "//Alice", "//Alice")
        self.validator = wallet(folder, "//Bob", "//Bob//validator")
        self.miner = wallet(folder, "//Charlie", "//Charlie//miner")

    def name(self, what):
        return f"{self.spec}: {what}"

    def check(self, what, good, why="it is not so"):
        self.r.check(self.name(what), good, why)

    def note(self, what, why):
        self.r.note(self.name(what), why)

    def send(self, signer, module, function, params):
        substrate = self.s.substrate
        call = substrate.compose_call(module, function, params)
        return substrate.submit_extrinsic(substrate.create_signed_extrinsic(call, signer), wait_for_inclusion=True)

    def sudo(self, function, **params):
        inner = self.s.substrate.compose_call("AdminUtils", function, params)
        receipt = self.send(self.alice.coldkey, "Sudo", "sudo", {"call": inner})
        if not receipt.is_success:
            raise RuntimeError(f"{function}: {receipt.error_message}")

    def item(self, item, *params):
        return self.s.query_subtensor(item, None, list(params)).value

    def writes(self):
        s, hotkey = self.s, self.validator.hotkey.ss58_address
        before = s.get_balance(self.alice.coldkeypub.ss58_address).rao
        good = s.transfer(self.validator, self.alice.coldkeypub.ss58_address, 1.0, prompt=False)
        self.check("transfer", good and s.get_balance(self.alice.coldkeypub.ss58_address).rao == before + RAO)
        for w in (self.validator, self.miner):
            self.check(f"burned_register {w.name}", s.burned_register(w, NETUID))
        self.check("the uids", [self.item("Uids", NETUID, w.hotkey.ss58_address) for w in (self.validator, self.miner)] == [1, 2])
        # One's own weight needs no permit, and this SDK cannot stake.
        good, why = s.set_weights(self.validator, NETUID, uids=[1], weights=[1.0], wait_for_inclusion=True, wait_for_finalization=True)
        self.check("set_weights", good and dict(s.weights(NETUID)) == {1: [(1, 65535)]}, why)
        with self.r.step(self.name("commit and reveal")):
            self.commit_reveal()
        s.commit(self.validator, NETUID, "hello")
        stored = s.substrate.query("Commitments", "CommitmentOf", [NETUID, hotkey]).value
        self.check("commit of data", "hello".encode().hex() in str(stored), stored)
        # serve_axon reads the neuron first, which it misreads; the call itself is the same.
        axon = bt.axon(wallet=self.miner, port=18093, external_ip="203.0.113.9", external_port=8093)
        self.fails("serve_axon", lambda: s.serve_axon(NETUID, axon), "Decoding", "it first reads the neuron, whose form changed")
        good, why = s._do_serve_axon(wallet=self.miner, wait_for_inclusion=True, wait_for_finalization=True, call_params={
            "version": 7004000, "ip": bt.utils.networking.ip_to_int("203.0.113.9"), "port": 8093, "ip_type": 4, "netuid": NETUID,
            "hotkey": self.miner.hotkey.ss58_address, "coldkey": self.miner.coldkeypub.ss58_address, "protocol": 4,
            "placeholder1": 0, "placeholder2": 0})
        info = s.get_axon_info(NETUID, self.miner.hotkey.ss58_address)
        self.check("its call to serve an axon", good and (info.ip, info.port) == ("203.0.113.9", 8093), why or info)
        for what, call in (("add_stake", lambda: s.add_stake(self.validator, hotkey, 10.0)),
                           ("unstake", lambda: s.unstake(self.validator, hotkey, 1.0))):
            self.fails(what, call, '"SubtensorModule.Stake" not found', "stake is kept by subnet since dTAO, and Stake is gone")
        self.fails("register_subnetwork", lambda: s.register_subnetwork(self.validator), "'hotkey' not specified",
                   "the call takes the owner's hotkey since")
        self.fails("add_stake's call", lambda: s.substrate.compose_call(
            "SubtensorModule", "add_stake", {"hotkey": hotkey, "amount_staked": 10 * RAO}), "'netuid' not specified",
            "the call takes a subnet since dTAO")

    def commit_reveal(self):
        s = self.s
        self.sudo("sudo_set_commit_reveal_weights_enabled", netuid=NETUID, enabled=True)
        args = dict(netuid=NETUID, salt=[1, 2, 3], uids=[1], weights=[65535], version_key=0, wait_for_inclusion=True,
                    wait_for_finalization=True, max_retries=1)
        good, why = s.commit_weights(self.validator, **args)
        self.check("commit_weights", good, why)
        made, tempo = self.item("WeightCommits", NETUID, self.validator.hotkey.ss58_address)[0][1], s.tempo(NETUID)
        epoch = lambda block: (block + NETUID + 1) // (tempo + 1)
        while epoch(s.get_current_block() + 1) <= epoch(made):
            s.substrate.get_block_hash()  # a question a turn is pause enough at four blocks a second
        good, why = s.reveal_weights(self.validator, **args)
        self.check("reveal_weights", good, why)
        self.sudo("sudo_set_commit_reveal_weights_enabled", netuid=NETUID, enabled=False)

    def fails(self, what, call, part, why):
        try:
            call()
        except Exception as error:
            if part in f"{type(error).__name__}: {error}":
                self.note(what, f"{why} ({type(error).__name__})")
            else:
                self.r.fail(self.name(what), f"{type(error).__name__}: {error}")
        else:
            self.r.fail(self.name(what), f"works, against what is known: {why}")

    def arguments(self, name):
        hot, cold = self.validator.hotkey.ss58_address, self.validator.coldkeypub.ss58_address
        known = dict(netuid=NETUID, hotkey_ss58=hot, coldkey_ss58=cold, ss58_address=cold, address=cold, uid=1, hotkey=hot,
                     key=cold, block_id=1, child_hotkey=hot, coldkey_ss58_list=[cold], netuid_0=NETUID, netuid_1=0,
                     param_name="Tempo", name="Tempo", module="SubtensorModule", module_name="SubtensorModule",
                     constant_name="InitialTempo", proposal_hash="0x" + "00" * 32, wallet=self.validator, dest=cold,
                     value=bt.Balance.from_tao(1), block=None)
        named = {"params": [NETUID]} if name in ("query_subtensor", "query_module") else {}
        if name in ("get_axon_info",):
            known["hotkey_ss58"] = self.miner.hotkey.ss58_address
        for p in inspect.signature(getattr(bt.subtensor, name)).parameters.values():
            if p.name != "self" and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and (p.default is p.empty or p.name == "netuid"):
                named[p.name] = known[p.name]
        return named

    def readers(self):
        for name in WORK:
            with self.r.step(self.name(f"reader {name}")):
                getattr(self.s, name)(**self.arguments(name))
                self.r.ok(self.name(f"reader {name}"))
        for name, item in GONE.items():
            if self.spec == 293 and name in KEPT_AT_293:
                getattr(self.s, name)(**self.arguments(name))
                self.r.ok(self.name(f"reader {name}"))
            else:
                self.fails(f"reader {name}", lambda: getattr(self.s, name)(**self.arguments(name)), f'"{item}" not found',
                           f"the chain keeps no {item}")
        for name in SENATE:
            self.fails(f"reader {name}", lambda: getattr(self.s, name)(**self.arguments(name)), "not found", "the senate's pallets are gone")
        for name, (part, why) in BROKEN.items():
            self.fails(f"reader {name}", lambda: getattr(self.s, name)(**self.arguments(name)), part, why)
        for name, part in TYPED.items():
            try:
                answer = getattr(self.s, name)(**self.arguments(name))
            except Exception as error:
                if part in str(error):
                    self.note(f"reader {name}", f"typed values since dTAO where it expects bytes ({type(error).__name__})")
                else:
                    self.r.fail(self.name(f"reader {name}"), f"{type(error).__name__}: {error}")
            else:
                if part == "" and self.misread(answer):
                    self.note(f"reader {name}", "it misreads the answer, which is an option since dTAO, by a byte")
                else:
                    self.r.fail(self.name(f"reader {name}"), f"answers, against what is known: {answer!r}")

    def misread(self, answer):
        if isinstance(answer, list):
            return any(self.misread(x) for x in answer)
        if isinstance(answer, SubnetInfo):
            return answer.netuid not in (0, NETUID)
        return answer.hotkey not in [self.item("Keys", NETUID, uid) for uid in range(3)]

    def proofs(self):
        """The same answers, with the option's byte taken off, are what the SDK expects: the
        chain tells the truth in the form of today."""
        rpc = lambda method, params: self.s.substrate.rpc_request(method, params)["result"]
        hotkey = self.validator.hotkey.ss58_address
        raw = list(rpc("neuronInfo_getNeuron", [NETUID, 1]))
        self.check("a neuron's answer is an option, else as of old", raw[0] == 1 and NeuronInfo.from_vec_u8(raw[1:]).hotkey == hotkey)
        raw = list(rpc("subnetInfo_getSubnetInfo", [NETUID]))
        self.check("a subnet's answer is an option, else as of old", raw[0] == 1 and SubnetInfo.from_vec_u8(raw[1:]).netuid == NETUID)
        raw = bytes.fromhex(rpc("state_call", ["NeuronInfoRuntimeApi_get_neurons_lite", "0x0100"])[2:])
        neurons = NeuronInfoLite.list_from_vec_u8(list(raw))
        self.check("the neurons' answer is a list, not bytes that hold one", [n.uid for n in neurons] == [0, 1, 2]
                   and neurons[1].hotkey == hotkey)

    def truth(self):
        s, hotkey = self.s, self.validator.hotkey.ss58_address
        pairs = [
            ("owner", s.get_hotkey_owner(hotkey), self.validator.coldkeypub.ss58_address),
            ("uid", s.get_uid_for_hotkey_on_subnet(hotkey, NETUID), 1), ("size", s.subnetwork_n(NETUID), 3),
            ("subnets", s.get_subnets(), [0, NETUID]),
            ("all subnets' infos", [(i.netuid, i.tempo) for i in s.get_all_subnets_info()], [(0, s.tempo(0)), (NETUID, 10)]), ("tempo", s.tempo(NETUID), 10),
            ("price", s.recycle(NETUID).rao, self.item("Burn", NETUID)),
            ("netuids of the hotkey", s.get_netuids_for_hotkey(hotkey), [NETUID]),
        ]
        for what, got, want in pairs:
            self.r.equal(self.name(what), got, want)


report = Report()
bt.logging.off()
for spec, rpc in ((381, sys.argv[2]), (293, sys.argv[3])):
    with report.step(f"{spec}"):
        old = Old(report, f"{sys.argv[1]}/{spec}", rpc, spec)
        for part in (old.writes, old.truth, old.readers, old.proofs):
            with report.step(old.name(part.__name__)):
                part()
report.done()
