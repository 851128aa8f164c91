// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {Escrow} from "./Escrow.sol";
import {Registry} from "./Registry.sol";

/// @title The access token of one asset: one whole token (10^18 units) pays for one job
/// @notice Every asset has a clone of this contract. The registry mints on the owner's behalf; the escrow burns a
/// token when it pays for a job, mints it back on refund, and mints what it sells.
/// @dev A minimal proxy (ERC-1167) whose only argument, the token id, stands in its code: a clone has nothing to
/// initialise, so nobody can initialise it wrongly. The EIP-712 domain is that of the clone, since `EIP712` rebuilds
/// it whenever `address(this)` is not the implementation.
contract Datatoken is ERC20Permit {
    /// @notice Somebody other than the registry or the escrow tried to mint or burn.
    /// @param caller Who tried.
    error DatatokenNotAuthorised(address caller);
    /// @notice More units at once than are ever needed.
    /// @param amount Units that were asked for.
    /// @param most The most units that one call creates.
    error DatatokenAmountTooLarge(uint256 amount, uint256 most);
    /// @notice More would circulate than the owner promised at registration.
    /// @param supply Units that would circulate.
    /// @param cap The most that may.
    error DatatokenCapExceeded(uint256 supply, uint256 cap);

    uint256 private constant MAX_MINT = type(uint128).max;

    /// @notice The registry of assets.
    Registry public immutable registry;

    /// @notice The escrow that takes datatokens as payment.
    Escrow public immutable escrow;

    /// @param registry_ The registry, which creates the clones.
    /// @param escrow_ The escrow.
    constructor(Registry registry_, Escrow escrow_) ERC20("", "") ERC20Permit("Sealroom Datatoken") {
        registry = registry_;
        escrow = escrow_;
    }

    /// @notice Create `amount` units for `to`, within the cap: a sale, or the owner's gift.
    /// @dev The bound keeps the supply far from 2^256 (2^128 calls away), where the mint of a refund would overflow and
    /// the order could never end.
    /// @param to Who receives them.
    /// @param amount Units, at most 2^128 - 1; 10^18 are one job.
    function mint(address to, uint256 amount) external {
        if (msg.sender != address(registry) && msg.sender != address(escrow)) revert DatatokenNotAuthorised(msg.sender);
        if (amount > MAX_MINT) revert DatatokenAmountTooLarge(amount, MAX_MINT);
        uint256 most = cap();
        uint256 supply = totalSupply() + amount;
        if (most != 0 && supply > most) revert DatatokenCapExceeded(supply, most);
        _mint(to, amount);
    }

    /// @notice Give `to` back what an order burned that is refunded now.
    /// @dev Not held back by the cap, which others may have filled meanwhile: a refund never fails.
    /// @param to Who ordered.
    /// @param amount Units; 10^18 are one job.
    function restore(address to, uint256 amount) external {
        if (msg.sender != address(escrow)) revert DatatokenNotAuthorised(msg.sender);
        _mint(to, amount);
    }

    /// @notice Destroy `amount` units of `from`, who is ordering a job in the same call.
    /// @param from Whose units.
    /// @param amount Units; 10^18 are one job.
    function burn(address from, uint256 amount) external {
        if (msg.sender != address(escrow)) revert DatatokenNotAuthorised(msg.sender);
        _burn(from, amount);
    }

    /// @notice The asset that this token gives access to.
    /// @return The token id in the registry; reverts on the implementation itself, which belongs to no asset.
    function tokenId() public view returns (uint256) {
        return abi.decode(Clones.fetchCloneArgs(address(this)), (uint256));
    }

    /// @notice The most units that a sale or a gift lets circulate; what is given back by a refund comes on top.
    /// @return Units; zero is no cap.
    function cap() public view returns (uint256) {
        return registry.capOf(tokenId());
    }

    /// @inheritdoc ERC20
    /// @dev The same for every clone, and equal to the EIP-712 domain's name.
    function name() public pure override returns (string memory) {
        return "Sealroom Datatoken";
    }

    /// @inheritdoc ERC20
    function symbol() public view override returns (string memory) {
        return string.concat("SEAL-", Strings.toString(tokenId()));
    }
}
