// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title An honest token for tests, as some stablecoins are: 6 decimals, no ERC-2612, and no
/// allowance changed but from or to 0
contract CentToken is ERC20 {
    constructor() ERC20("Cent TEST token", "tCENT") {}

    /// @notice Make `amount` units for the caller.
    /// @param amount Units.
    function faucet(uint256 amount) external {
        _mint(msg.sender, amount);
    }

    /// @inheritdoc ERC20
    function approve(address spender, uint256 value) public override returns (bool) {
        require(value == 0 || allowance(msg.sender, spender) == 0, "an allowance stands");
        return super.approve(spender, value);
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
