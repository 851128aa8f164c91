// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token for tests with six decimals, as the common currencies have, and without permissions
contract SixToken is ERC20 {
    constructor() ERC20("Six TEST token", "tSIX") {}

    /// @notice Make `amount` units for the caller.
    /// @param amount Units, 6 decimals.
    function faucet(uint256 amount) external {
        _mint(msg.sender, amount);
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
